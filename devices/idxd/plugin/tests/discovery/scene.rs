//! Simulated nodes, and what the plugins see on them.

use std::sync::Arc;

use device_plugin::{Device, DevicePlugin, Expectation, Inventory, Rescan};
use host::Host;
use simulator::{Profile, SimulatedNode};

/// Where accelerators and queues are.
pub(crate) const BUS: &str = "/sys/bus/dsa/devices";

pub(crate) struct Scene {
    _folder: tempfile::TempDir,
    pub(crate) node: SimulatedNode,
}

impl Scene {
    pub(crate) fn of(lines: &str) -> Self {
        Self::new(&Profile::parse("test", lines).unwrap())
    }

    pub(crate) fn builtin(name: &str) -> Self {
        Self::new(&Profile::builtin(name).unwrap())
    }

    fn new(profile: &Profile) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = SimulatedNode::create(folder.path().join("node"), profile).unwrap();
        Self { _folder: folder, node }
    }

    /// An accelerator `dsa<id>` with these queues, each `0.1 user shared`. Those of users have nodes with their number as
    /// the minor one.
    pub(crate) fn dsa(queues: &[&str]) -> Self {
        let mut lines =
            "use idxd\nuse dsa as=dsa0 id=0 at=pci0000:6a pci=0000:6a:01.0 group=112 numa=1\n".to_owned();
        for (minor, words) in queues.iter().enumerate() {
            lines += &format!("use {}\n", queue(words, minor));
        }
        Self::of(&lines)
    }

    pub(crate) fn host(&self) -> Host {
        self.node.host()
    }

    /// What DSA's plugin offers.
    pub(crate) fn look(&self, flags: &[&str]) -> Inventory {
        self.plugin(flags).discover(&self.host()).unwrap()
    }

    pub(crate) fn plugin(&self, flags: &[&str]) -> Arc<dyn DevicePlugin> {
        start(idxd_plugin::dsa::parse, flags, &self.host())
    }

    /// `wq-kernel-shared=1 wq-user-dedicated=2`
    pub(crate) fn counts(&self, flags: &[&str]) -> String {
        counts(&self.look(flags))
    }
}

/// The words of a queue of `dsa0`.
pub(crate) fn queue(words: &str, minor: usize) -> String {
    let (wq, words) = words.split_once(' ').unwrap();
    let (kind, mode) = words.split_once(' ').unwrap();
    let place = "name=dsa0 at=pci0000:6a pci=0000:6a:01.0";
    match kind {
        "user" => {
            format!("idxd-wq-user as=wq{wq} kind=dsa wq={wq} mode={mode} major=236 minor={minor} {place}")
        }
        _ => format!("idxd-wq as=wq{wq} wq={wq} state=enabled mode={mode} type={kind} {place}"),
    }
}

pub(crate) fn start(
    parse: fn(&[String]) -> Result<cli::plugin::Start, String>,
    flags: &[&str],
    host: &Host,
) -> Arc<dyn DevicePlugin> {
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    parse(&flags).unwrap()(host, &Rescan::default())
}

pub(crate) fn counts(inventory: &Inventory) -> String {
    let counts =
        inventory.resources.iter().map(|(name, resource)| format!("{name}={}", resource.devices.len()));
    counts.collect::<Vec<_>>().join(" ")
}

pub(crate) fn ids(inventory: &Inventory) -> Vec<&str> {
    inventory.resources.values().flat_map(|resource| resource.devices.keys().map(String::as_str)).collect()
}

/// The device of that id, whatever its resource.
pub(crate) fn device<'a>(inventory: &'a Inventory, id: &str) -> &'a Device {
    inventory.resources.values().find_map(|resource| resource.devices.get(id)).unwrap()
}

pub(crate) fn nodes(device: &Device) -> Vec<&str> {
    device.spec.edits.nodes.iter().map(|node| node.container_path.to_str().unwrap()).collect()
}

/// The device expects an attribute to hold this.
pub(crate) fn expects(device: &Device, path: &str, value: &str) -> bool {
    device.spec.expects.contains(&Expectation::Value { path: path.into(), value: value.to_owned() })
}
