//! What the kubelet and the container runtime are told, compared with what the Go implementation (v0.36) told them.
//!
//! With `GO_PLUGINS=/folder` the tests run `/folder/intel_gpu_device_plugin` and so on instead of this binary, which needs
//! root and util-linux; with `UPDATE_GOLDEN=1`, too, they record what those say.
#![expect(clippy::unwrap_used, reason = "tests")]

mod accelerators;
mod fpga;
mod gpu;
mod small;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use device_plugin::{Paths, api};
use simulator::kubelet::{ContainerOptions, Kubelet, Options, PluginClient, State};
use simulator::{Profile, SimulatedNode};

const BINARY: &str = env!("CARGO_BIN_EXE_intel-device-plugins");

/// One start of a plugin.
#[derive(Default)]
struct Case<'a> {
    family: &'a str,
    /// The golden file.
    name: &'a str,
    /// A profile's name, or its lines.
    profile: &'a str,
    flags: &'a [&'a str],
    /// How many devices of each resource there are.
    resources: &'a [(&'a str, usize)],
    /// Allocations: a resource and ids.
    allocate: &'a [(&'a str, &'a [&'a str])],
    /// Preferred allocations of all devices of a resource: how many.
    prefer: &'a [(&'a str, usize)],
    /// Where this implementation says something else, on purpose: a text of the golden file, what is said instead, and
    /// why.
    differences: &'a [(&'a str, &'a str, &'a str)],
}

/// The Go implementation leaves the choice to the kubelet, which takes any.
const PREFERS: (&str, &str, &str) = (
    "preferred and pre-start (false, false)",
    "preferred and pre-start (true, false)",
    "several units for one container should be of different devices",
);

/// The plugin that runs; ends when dropped.
struct Plugin(Child);

impl Drop for Plugin {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn start(case: &Case<'_>, root: &Path, paths: &Paths) -> Plugin {
    let mut command = if let Some(folder) = std::env::var_os("GO_PLUGINS") {
        let binary = Path::new(&folder).join(format!("intel_{}_device_plugin", case.family));
        go_plugin(&binary, root, paths)
    } else {
        let mut command = Command::new(BINARY);
        command.arg(case.family).arg("-prefix").arg(root);
        command.arg("-kubelet-dir").arg(&paths.kubelet).arg("-cdi-dir").arg(&paths.cdi);
        command
    };
    Plugin(command.args(case.flags).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// Its folders are fixed and not every plugin has `-prefix`: it gets a mount namespace in which the simulated node is the
/// real one.
fn go_plugin(binary: &Path, root: &Path, paths: &Paths) -> Command {
    let script = r#"
        mount -t tmpfs tmpfs /run
        mount -t tmpfs tmpfs /var/lib
        mkdir -p /var/run/cdi /var/lib/kubelet/device-plugins
        mount --bind "$2" /var/run/cdi
        mount --bind "$1" /var/lib/kubelet/device-plugins
        mount --bind "$0/sys" /sys
        mount --bind "$0/dev" /dev
        shift 2
        exec "$@"
    "#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", script]).args([root, &paths.kubelet, &paths.cdi]).arg(binary);
    command
}

async fn check(case: Case<'_>) {
    let folder = tempfile::tempdir().unwrap();
    let profile = if case.profile.contains(' ') {
        Profile::parse("test", case.profile).unwrap()
    } else {
        Profile::builtin(case.profile).unwrap()
    };
    let node = SimulatedNode::create(folder.path().join("node"), &profile).unwrap();
    let paths = Paths { kubelet: folder.path().join("kubelet"), cdi: folder.path().join("cdi") };
    fs::create_dir(&paths.cdi).unwrap();
    let kubelet = Kubelet::start(&paths.kubelet, Options::default()).unwrap();
    let _plugin = start(&case, node.root(), &paths);
    let full = |resource: &str| format!("{}.intel.com/{resource}", case.family);
    let expected = |state: &State| {
        case.resources.iter().all(|(resource, count)| state.capacity(&full(resource)) == *count)
            && state.resources.len() == case.resources.len()
    };
    kubelet.wait_until(expected).await.unwrap();

    let mut told = format!("{} with {}\n", case.profile.trim(), case.flags.join(" "));
    for (resource, state) in kubelet.resources() {
        let options = state.options.unwrap();
        let asked = (options.get_preferred_allocation_available, options.pre_start_required);
        writeln!(told, "\n{resource}, preferred and pre-start {asked:?}").unwrap();
        for (id, device) in &state.devices {
            writeln!(told, "  {id} healthy {} numa {:?}", device.healthy, device.numa).unwrap();
        }
    }
    let client = async |resource: &str| {
        PluginClient::connect(paths.kubelet.join(format!("{}.intel.com-{resource}.sock", case.family)))
            .await
            .unwrap()
    };
    for (resource, ids) in case.allocate {
        let answer = client(resource).await.allocate(ids.iter().copied()).await.unwrap();
        writeln!(told, "\nallocate {resource} {}", ids.join(" ")).unwrap();
        tell_answer(&mut told, answer);
    }
    for (resource, size) in case.prefer {
        let available: Vec<String> =
            kubelet.resources().remove(&full(resource)).unwrap().devices.into_keys().collect();
        let chosen = client(resource).await.prefer(available, [""; 0], *size).await.unwrap();
        // The kubelet takes it as a set, and the Go implementation's order is that of chance.
        let chosen: BTreeSet<String> = chosen.into_iter().collect();
        writeln!(told, "\nprefer {resource} {size}\n  {chosen:?}").unwrap();
    }
    // The Go implementation makes a file when a device is first allocated.
    if !case.allocate.is_empty() {
        tell_cdi(&mut told, &paths.cdi);
    }
    let outside = node.root().canonicalize().unwrap();
    let told = told.replace(&outside.display().to_string(), "");
    golden(&case, &told);
}

/// As the kubelet hands it on: what is said twice counts once.
fn tell_answer(told: &mut String, answer: api::ContainerAllocateResponse) {
    let ContainerOptions { devices, mounts, env, annotations, cdi_devices } = answer.into();
    for device in devices {
        writeln!(told, "  node {} at {} {}", device.host_path, device.container_path, device.permissions)
            .unwrap();
    }
    for mount in mounts {
        let mode = if mount.read_only { "ro" } else { "rw" };
        writeln!(told, "  mount {} at {} {mode}", mount.host_path, mount.container_path).unwrap();
    }
    for (name, value) in env {
        writeln!(told, "  env {name}={value}").unwrap();
    }
    for (name, value) in annotations {
        writeln!(told, "  annotation {name}={value}").unwrap();
    }
    for name in cdi_devices {
        writeln!(told, "  cdi {name}").unwrap();
    }
}

/// The words of the files, in order, without what distinguishes YAML's two styles.
fn tell_cdi(told: &mut String, folder: &Path) {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        writeln!(told, "\nfile {}", file.file_name().unwrap().to_str().unwrap()).unwrap();
        let text = fs::read_to_string(&file).unwrap().replace('"', "");
        let text = text.replace(['{', '}', '[', ']', ','], " ");
        let words = text.split_whitespace().filter(|word| !["-", "---"].contains(word));
        writeln!(told, "  {}", words.collect::<Vec<_>>().join(" ")).unwrap();
    }
}

fn golden(case: &Case<'_>, found: &str) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/reference");
    let path = golden.join(case.family).join(format!("{}.txt", case.name));
    let is_reference = std::env::var_os("GO_PLUGINS").is_some();
    if std::env::var_os("UPDATE_GOLDEN").is_some() && is_reference {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, found).unwrap();
    }
    let mut expected = fs::read_to_string(&path).unwrap();
    if !is_reference {
        for (there, here, why) in case.differences {
            assert!(expected.contains(there), "{}: nothing of it is there: {why}", case.name);
            expected = expected.replace(there, here);
        }
    }
    assert_eq!(found, expected, "{}", case.name);
}
