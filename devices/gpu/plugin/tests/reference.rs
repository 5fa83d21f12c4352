//! What the kubelet and the container runtime are told, compared with what the Go implementation (v0.36) told them.
//!
//! With `GO_GPU_PLUGIN=/path/to/intel_gpu_device_plugin` the tests run that binary instead of this plugin, which needs root
//! and util-linux; with `UPDATE_GOLDEN=1`, too, they record what it says.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Command};

use device_plugin::{Manager, Paths, Rescan, api};
use simulator::kubelet::{ContainerOptions, Kubelet, Options, PluginClient};
use simulator::{Profile, SimulatedNode};
use tokio::sync::watch;

/// One start of the plugin.
struct Case<'a> {
    /// The golden file.
    name: &'a str,
    profile: &'a str,
    flags: &'a [&'a str],
    /// How many devices of each resource there are.
    resources: &'a [(&'a str, usize)],
    /// Allocations: a resource and ids.
    allocate: &'a [(&'a str, &'a [&'a str])],
    /// Preferred allocations of all devices of a resource: how many.
    prefer: &'a [(&'a str, usize)],
}

/// The plugin that runs; ends when dropped.
enum Plugin {
    Ours { _stop: watch::Sender<bool> },
    Go(Child),
}

impl Drop for Plugin {
    fn drop(&mut self) {
        if let Self::Go(child) = self {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

fn start(flags: &[&str], node: &SimulatedNode, paths: &Paths) -> Plugin {
    if let Some(binary) = std::env::var_os("GO_GPU_PLUGIN") {
        return Plugin::Go(start_go(&binary, flags, node.root(), paths));
    }
    let (stop, stopped) = watch::channel(false);
    let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
    let rescan = Rescan::default();
    let plugin = gpu_plugin::parse(&flags).unwrap()(&node.host(), &rescan);
    cli::plugin::spawn(Manager::new(plugin, node.host(), paths.clone(), rescan), stopped);
    Plugin::Ours { _stop: stop }
}

/// Its folders are fixed and its `-prefix` does not reach everywhere: it gets a mount namespace in which the simulated
/// node is the real one.
fn start_go(binary: &OsString, flags: &[&str], root: &Path, paths: &Paths) -> Child {
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
    command.args(["--mount", "sh", "-ec", script]).args([root, &paths.kubelet, &paths.cdi]);
    command.arg(binary).args(flags).spawn().unwrap()
}

async fn check(case: Case<'_>) {
    let folder = tempfile::tempdir().unwrap();
    let profile = Profile::builtin(case.profile).unwrap();
    let node = SimulatedNode::create(folder.path().join("node"), &profile).unwrap();
    let paths = Paths { kubelet: folder.path().join("kubelet"), cdi: folder.path().join("cdi") };
    fs::create_dir(&paths.cdi).unwrap();
    let kubelet = Kubelet::start(&paths.kubelet, Options::default()).unwrap();
    let _plugin = start(case.flags, &node, &paths);
    let full = |resource: &str| format!("gpu.intel.com/{resource}");
    let expected = |state: &simulator::kubelet::State| {
        case.resources.iter().all(|(resource, count)| state.allocatable(&full(resource)) == *count)
    };
    kubelet.wait_until(expected).await.unwrap();

    let mut told = format!("{} with {}\n", case.profile, case.flags.join(" "));
    for (resource, state) in kubelet.resources() {
        let options = state.options.unwrap();
        let asked = (options.get_preferred_allocation_available, options.pre_start_required);
        writeln!(told, "\n{resource}, preferred and pre-start {asked:?}").unwrap();
        for (id, device) in &state.devices {
            writeln!(told, "  {id} healthy {} numa {:?}", device.healthy, device.numa).unwrap();
        }
    }
    let client = async |resource: &str| {
        PluginClient::connect(paths.kubelet.join(format!("gpu.intel.com-{resource}.sock"))).await.unwrap()
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
    golden(case.name, &told);
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

fn golden(name: &str, found: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/reference");
    let path = folder.join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() && std::env::var_os("GO_GPU_PLUGIN").is_some() {
        fs::write(&path, found).unwrap();
    }
    assert_eq!(found, fs::read_to_string(&path).unwrap(), "{name}");
}

#[tokio::test]
async fn cards_and_monitoring_on_two_drivers() {
    check(Case {
        name: "two_drivers",
        profile: "arc-b580-igpu",
        flags: &["-enable-monitoring"],
        resources: &[("i915", 1), ("xe", 1), ("monitoring", 1)],
        allocate: &[("i915", &["card0-0"]), ("xe", &["card1-0"]), ("monitoring", &["all"])],
        prefer: &[("xe", 1), ("monitoring", 1)],
    })
    .await;
}

#[tokio::test]
async fn monitoring_by_driver() {
    let resources = &[("i915", 1), ("xe", 1), ("i915_monitoring", 1), ("xe_monitoring", 1)];
    check(Case {
        name: "split_monitoring",
        profile: "arc-b580-igpu",
        flags: &["-enable-monitoring", "-monitoring-mode=split", "-bypath=none"],
        resources,
        allocate: &[
            ("i915", &["card0-0"]),
            ("xe", &["card1-0"]),
            ("i915_monitoring", &["all"]),
            ("xe_monitoring", &["all"]),
        ],
        prefer: &[],
    })
    .await;
}

#[tokio::test]
async fn several_units_of_shared_cards_in_one_container() {
    check(Case {
        name: "shared_cards",
        profile: "flex-170-x2",
        flags: &["-shared-dev-num=3", "-bypath=all"],
        resources: &[("i915", 6)],
        allocate: &[("i915", &["card1-2", "card0-1", "card1-0"])],
        prefer: &[("i915", 6)],
    })
    .await;
}

#[tokio::test]
async fn virtual_functions_without_their_physical_one() {
    let all = &["card1-0", "card2-0", "card3-0", "card4-0", "card5-0", "card6-0", "card7-0"];
    check(Case {
        name: "virtual_functions",
        profile: "flex-170-sriov",
        flags: &["-enable-monitoring", "-allow-ids=0x56c0"],
        resources: &[("i915", 7), ("monitoring", 1)],
        allocate: &[("i915", all), ("monitoring", &["all"])],
        prefer: &[],
    })
    .await;
}

#[tokio::test]
async fn monitoring_with_the_firmwares_interfaces() {
    let all = &["card0-0", "card1-0", "card2-0", "card3-0", "card4-0", "card5-0", "card6-0", "card7-0"];
    check(Case {
        name: "firmware_interfaces",
        profile: "max-1550-x8",
        flags: &["-enable-monitoring", "-deny-ids=0x56c0"],
        resources: &[("i915", 8), ("monitoring", 1)],
        allocate: &[("i915", all), ("monitoring", &["all"])],
        prefer: &[],
    })
    .await;
}

#[tokio::test]
async fn preferences_with_the_balanced_policy() {
    check(Case {
        name: "balanced",
        profile: "flex-170-sriov",
        flags: &["-shared-dev-num=3", "-allocation-policy=balanced"],
        resources: &[("i915", 21)],
        allocate: &[],
        prefer: &[("i915", 1), ("i915", 4), ("i915", 11)],
    })
    .await;
}

#[tokio::test]
async fn preferences_with_the_packed_policy() {
    check(Case {
        name: "packed",
        profile: "flex-170-sriov",
        flags: &["-shared-dev-num=3", "-allocation-policy=packed"],
        resources: &[("i915", 21)],
        allocate: &[],
        prefer: &[("i915", 1), ("i915", 4), ("i915", 11)],
    })
    .await;
}
