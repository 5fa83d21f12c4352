//! Nodes with a kernel.

use std::sync::Arc;

use host::Host;
use host::uevent::{Uevent, UeventSource};
use rustix::io::Errno;
use simulator::{Kernel, Profile, SimulatedNode, listing};

pub(crate) struct Scene {
    _folder: tempfile::TempDir,
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) host: Host,
    uevents: UeventSource,
}

/// Where the functions of the tests are.
pub(crate) const AT: &str = "/sys/devices/pci0000:6b";

impl Scene {
    pub(crate) fn of(lines: &str) -> Self {
        Self::on(&Profile::parse("test", lines).unwrap())
    }

    pub(crate) fn on(profile: &Profile) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), profile).unwrap();
        let kernel = Kernel::run(node);
        let host = kernel.host();
        let uevents = UeventSource::open(&host).unwrap();
        Self { _folder: folder, kernel, host, uevents }
    }

    /// The kernel's answer to a write, which is one of its errors if one at all.
    pub(crate) fn write(&self, path: &str, value: &str) -> Result<(), Errno> {
        self.host.write(path, value).map_err(|error| {
            let code = error.source.raw_os_error();
            Errno::from_raw_os_error(code.unwrap_or_else(|| panic!("{path}: {error}: {}", error.source)))
        })
    }

    /// A write that goes well.
    pub(crate) fn set(&self, path: &str, value: &str) {
        assert_eq!(self.write(path, value), Ok(()), "{value:?} to {path}");
    }

    pub(crate) fn read(&self, path: &str) -> String {
        self.host.read(path).unwrap()
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.host.exists(path)
    }

    /// `bind` and `unbind` of drivers on the bus of PCI.
    pub(crate) fn pci(&self, driver: &str, file: &str, address: &str) -> Result<(), Errno> {
        self.write(&format!("/sys/bus/pci/drivers/{driver}/{file}"), address)
    }

    /// What a function is bound to; `-` is nothing. Both links must say so.
    pub(crate) fn driver(&self, address: &str) -> String {
        let link = format!("/sys/bus/pci/devices/{address}/driver");
        let drivers = self.host.names("/sys/bus/pci/drivers").unwrap();
        let back = |driver: &&String| self.exists(&format!("/sys/bus/pci/drivers/{driver}/{address}/class"));
        let have: Vec<&String> = drivers.iter().filter(back).collect();
        let link = self.host.link_name(link).ok();
        assert_eq!(have, link.iter().collect::<Vec<_>>(), "{address}");
        link.unwrap_or_else(|| "-".to_owned())
    }

    pub(crate) fn tree(&self) -> String {
        listing(self.kernel.node().root()).unwrap()
    }

    /// `bind pci 0000:6b:00.1` of each event since the last time. Those of PCI functions must say which and of what class.
    pub(crate) fn uevents(&mut self) -> Vec<String> {
        let drained = self.uevents.drain().unwrap();
        assert!(!drained.lost);
        let said = drained.events.iter().map(|event| {
            let Uevent { action, devpath, subsystem, properties } = event;
            let name = devpath.rsplit('/').next().unwrap();
            if subsystem == "pci" {
                assert_eq!(properties["PCI_SLOT_NAME"], name);
                assert!([5, 6].contains(&properties["PCI_CLASS"].len()), "{event:?}");
                assert!(!properties["PCI_CLASS"].starts_with('0'), "{event:?}");
            }
            format!("{action} {subsystem} {name}")
        });
        said.collect()
    }

    /// Nothing may be left that leads nowhere, and no folder of a device without it.
    pub(crate) fn is_sound(&self) {
        let tree = self.tree();
        let bad: Vec<&str> = tree.lines().filter(|line| line.starts_with("dangling ")).collect();
        assert_eq!(bad, [""; 0]);
    }
}
