//! `render-device.sh`, the helper for containers, on a simulated node.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use simulator::{Profile, SimulatedNode};

/// A container on a node with an i915 and an xe GPU, which was given the second; and one GPU of another vendor.
struct Container {
    folder: tempfile::TempDir,
    script: PathBuf,
}

/// What a run of the script left.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    code: Option<i32>,
    out: String,
}

impl Container {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("node");
        let profile = Profile::builtin("arc-b580-igpu").unwrap();
        // An ordinary user cannot write to a device node of root's.
        let mut node = SimulatedNode::create_with_stand_ins(&root, &profile).unwrap();
        node.add("pci-gpu as=other pci=0000:00:0b.0 device=0x1234 driver=xe card=2 render=127").unwrap();
        node.add("pci-gpu as=third pci=0000:00:0c.0 device=0x1234 driver=xe card=3 render=130").unwrap();
        node.set_attribute("/sys/devices/pci0000:00/0000:00:0c.0/vendor", "0x10de").unwrap();
        node.delete("/dev/dri/renderD128").unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../render-device.sh");
        let text = fs::read_to_string(source).unwrap();
        for path in ["=/sys/class/drm\n", "=/dev/dri\n"] {
            assert_eq!(text.matches(path).count(), 1);
        }
        let root = root.display();
        let text =
            text.replace("=/sys", &format!("={root}/sys")).replace("=/dev/dri", &format!("={root}/dev/dri"));
        let script = folder.path().join("render-device.sh");
        fs::write(&script, text).unwrap();
        Self { folder, script }
    }

    fn run(&self, args: &[&str]) -> Outcome {
        let output = Command::new("sh").arg(&self.script).args(args).output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        let out = out.replace(&self.folder.path().join("node").display().to_string(), "");
        Outcome { code: output.status.code(), out }
    }
}

fn printed(out: &str) -> Outcome {
    Outcome { code: Some(0), out: out.to_owned() }
}

const REFUSED: Outcome = Outcome { code: Some(1), out: String::new() };

#[test]
fn the_first_usable_gpu_is_the_containers_own() {
    assert_eq!(Container::new().run(&["1"]), printed("/dev/dri/renderD129\n"));
}

#[test]
fn a_program_gets_the_node_as_its_last_argument() {
    let container = Container::new();
    let expected = printed("Running: echo --device /dev/dri/renderD129\n--device /dev/dri/renderD129\n");
    assert_eq!(container.run(&["echo", "--device"]), expected);
    assert_eq!(container.run(&["1", "echo", "--device"]), expected);
}

#[test]
fn numbers_without_a_gpu_and_programs_without_arguments_are_refused() {
    let container = Container::new();
    for args in [&["2"][..], &["0"], &["128"], &["99999999999999999999"], &["echo"], &["1", "echo"], &[""]] {
        assert_eq!(container.run(args), REFUSED, "{args:?}");
    }
    assert_eq!(container.run(&["2", "echo", "--device"]), REFUSED);
}

#[test]
fn without_arguments_it_tells_what_there_is() {
    let Outcome { code, out } = Container::new().run(&[]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with("Intel GPUs of the node: 2, usable here: 1\n"), "{out}");
    assert!(out.contains("renderD129") && out.contains("uid="), "{out}");
}
