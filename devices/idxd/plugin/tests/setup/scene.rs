//! Simulated nodes with accelerators, and what setting them up gives.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use idxd_plugin::setup::{Report, Setup};
use simulator::{Kernel, Profile, SimulatedNode};

pub(crate) struct Scene {
    folder: tempfile::TempDir,
    pub(crate) kernel: Arc<Kernel>,
}

/// What a run gave.
pub(crate) struct Run {
    /// What it printed.
    pub(crate) text: String,
    pub(crate) report: Report,
}

impl Scene {
    pub(crate) fn of(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let profile = Profile::parse("test", &format!("use idxd\n{lines}")).unwrap();
        let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), &profile).unwrap();
        fs::create_dir(folder.path().join("conf")).unwrap();
        Self { kernel: Kernel::run(node), folder }
    }

    /// A file in the folder with files that say how to configure.
    pub(crate) fn config(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join("conf").join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn dsa(&self, flags: &[&str]) -> Run {
        let setup = Setup::dsa(self.flags(flags), |_| None).unwrap();
        self.run(&setup)
    }

    pub(crate) fn iaa(&self, flags: &[&str]) -> Run {
        let setup = Setup::iaa(self.flags(flags), |_| None).unwrap();
        self.run(&setup)
    }

    fn run(&self, setup: &Setup) -> Run {
        let mut out = Vec::new();
        let report = setup.run(&self.kernel.host(), &mut out);
        let folder = self.folder.path().to_str().unwrap();
        let clean = |lines: Vec<String>| -> Vec<String> {
            lines.into_iter().map(|line| line.replace(&format!("{folder}/"), "")).collect()
        };
        let report = Report { errors: clean(report.errors), warnings: clean(report.warnings) };
        Run { text: String::from_utf8(out).unwrap(), report }
    }

    fn flags(&self, flags: &[&str]) -> Vec<String> {
        let config = format!("-config-dir={}/conf", self.folder.path().display());
        [config].into_iter().chain(flags.iter().map(|flag| (*flag).to_owned())).collect()
    }

    pub(crate) fn set(&self, path: &str, value: &str) {
        self.kernel.node().set_attribute(at(path), value).unwrap();
    }

    /// What somebody else writes, if the kernel takes it.
    pub(crate) fn write(&self, path: &str, value: &str) {
        self.kernel.host().write(at(path), value).unwrap();
    }

    pub(crate) fn delete(&self, path: &str) {
        self.kernel.node().delete(at(path)).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        self.kernel.host().read(at(path)).unwrap()
    }
}

/// A path of the node; without a slash first, it is below the folder of accelerators and queues.
fn at(path: &str) -> PathBuf {
    Path::new("/sys/bus/dsa/devices").join(path)
}

impl Run {
    /// What was printed, if nothing else was to say.
    pub(crate) fn plan(&self) -> &str {
        assert_eq!(self.report, Report::default());
        &self.text
    }

    /// The one error.
    pub(crate) fn error(&self) -> &str {
        assert_eq!(self.report.errors.len(), 1, "{:?}", self.report);
        &self.report.errors[0]
    }
}

/// A DSA as it is when the node has started, with all its queues.
pub(crate) fn fresh_dsa(id: u32) -> String {
    fresh("dsa", "dsa", id, &format!("0000:{:02x}:01.0", 0x6a + id))
}

/// An IAA as it is when the node has started, with all its queues.
pub(crate) fn fresh_iaa(id: u32) -> String {
    fresh("iaa", "iax", id, &format!("0000:{:02x}:02.0", 0x6a + id))
}

/// A DSA that has all attributes, also those that only newer ones have.
pub(crate) fn newest_dsa() -> Scene {
    let scene = Scene::of(&fresh_dsa(0));
    scene.set("dsa0/event_log_size", "64");
    for group in 0..4 {
        scene.set(&format!("group0.{group}/desc_progress_limit"), "0");
        scene.set(&format!("group0.{group}/batch_progress_limit"), "0");
    }
    for queue in 0..8 {
        scene.set(&format!("wq0.{queue}/prs_disable"), "0");
        scene.set(&format!("wq0.{queue}/op_config"), &scene.read("dsa0/op_cap"));
    }
    scene
}

/// A DSA on a kernel before Linux 5.15, which had one driver for all.
pub(crate) fn older_dsa() -> Scene {
    let scene = Scene::of(&fresh_dsa(0));
    for driver in ["idxd", "user", "dmaengine"] {
        scene.delete(&format!("/sys/bus/dsa/drivers/{driver}"));
    }
    for queue in 0..8 {
        scene.delete(&format!("wq0.{queue}/driver_name"));
    }
    scene
}

fn fresh(template: &str, kind: &str, id: u32, pci: &str) -> String {
    let name = format!("{kind}{id}");
    let place = format!("at=pci0000:6a pci={pci}");
    let group = 100 + id;
    let mut lines =
        format!("use {template} as={name} id={id} {place} group={group} state=disabled engine-group=-1\n");
    for queue in 0..8 {
        lines += &format!("use idxd-wq as=wq{id}.{queue} name={name} wq={id}.{queue} mode=shared {place}\n");
    }
    lines
}

/// The lines of a plan that name this.
pub(crate) fn lines(plan: &str, word: &str) -> String {
    plan.split_inclusive('\n').filter(|line| line.contains(word)).collect()
}

/// The built-in file of DSA with another text in place of one.
pub(crate) fn edited(from: &str, to: &str) -> String {
    let text = include_str!("../../src/setup/dsa.conf");
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

/// A file for a DSA with a dedicated queue; `settings` are what else it has, in line 8.
pub(crate) fn one_queue(settings: &str) -> String {
    format!(
        "[{{
  \"dev\": \"dsaX\",
  \"groups\": [{{
    \"dev\": \"groupX.0\",
    \"grouped_engines\": [{{\"dev\": \"engineX.0\"}}],
    \"grouped_workqueues\": [{{
      \"dev\": \"wqX.0\", \"mode\": \"dedicated\", \"size\": 16, \"priority\": 10, \"name\": \"app\",
      {settings}
    }}]
  }}]
}}]
"
    )
}
