//! The plugin: the two nodes of SGX (`Documentation/arch/x86/sgx.rst`), each offered many times.

use std::sync::Arc;

use device_plugin::{
    CdiDevice, Device, DevicePlugin, DeviceSpec, DiscoverError, Filesystem, Inventory, Triggers, error_chain,
};
use host::{Host, Reads};

use crate::Config;

/// The kernel's nodes, and those of the driver that was before (DCAP's, until Linux 5.11).
pub(crate) const NODES: [Nodes; 2] = [
    Nodes { enclave: "/dev/sgx_enclave", provision: "/dev/sgx_provision" },
    Nodes { enclave: "/dev/sgx/enclave", provision: "/dev/sgx/provision" },
];

/// What the plugin reads of a node, for recordings.
pub const READS: &[Reads] =
    &[Reads::of("/dev", &["sgx_enclave", "sgx_provision", "sgx/enclave", "sgx/provision"])];

/// Offers enclaves and the provisioning key.
#[derive(Debug)]
pub struct SgxPlugin {
    config: Config,
}

/// One driver's pair of nodes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nodes {
    /// Makes enclaves.
    pub(crate) enclave: &'static str,
    /// Lets enclaves have the provisioning key, by which a platform attests itself.
    pub(crate) provision: &'static str,
}

impl SgxPlugin {
    /// A plugin that offers them as often as this.
    pub fn new(config: Config) -> Self {
        Self { config }
    }
}

impl DevicePlugin for SgxPlugin {
    fn namespace(&self) -> &'static str {
        "sgx.intel.com"
    }

    fn triggers(&self) -> Triggers {
        Triggers { subsystems: &["misc/sgx*"], folders: &["/dev/sgx*", "/dev/sgx"], ..Triggers::default() }
    }

    fn discover(&self, host: &Host) -> Result<Inventory, DiscoverError> {
        let mut inventory = Inventory::default();
        let Some(nodes) = find(host, &mut inventory) else { return Ok(inventory) };
        let Config { enclaves, provisions, infrastructure } = self.config;
        let enclave = Arc::new(spec(host, &[nodes.enclave]));
        for unit in 0..enclaves {
            inventory.add("enclave", format!("sgx-enclave-{unit}"), Device::healthy(Arc::clone(&enclave)));
        }
        let provision = Arc::new(spec(host, &[nodes.provision]));
        for unit in 0..provisions {
            inventory.add(
                "provision",
                format!("sgx-provision-{unit}"),
                Device::healthy(Arc::clone(&provision)),
            );
        }
        if infrastructure {
            let both = spec(host, &[nodes.enclave, nodes.provision]);
            inventory.add("qe", "qe-1", Device::healthy(both.clone()));
            let with_variables = DeviceSpec { cdi: Some(efi_variables()), ..both };
            inventory.add("registration", "registration-1", Device::healthy(with_variables));
        }
        Ok(inventory)
    }

    fn list_size_flag(&self) -> Option<&'static str> {
        Some("-enclave-limit or -provision-limit")
    }
}

/// The nodes to offer: those of the first driver that has both.
fn find(host: &Host, inventory: &mut Inventory) -> Option<Nodes> {
    let mut warning = None;
    for nodes in NODES {
        match (check(host, nodes.enclave), check(host, nodes.provision)) {
            (Ok(true), Ok(true)) => return Some(nodes),
            (Ok(false), Ok(false)) => {}
            (enclave, provision) => {
                let missing = if enclave == Ok(false) { nodes.enclave } else { nodes.provision };
                let why = enclave.and(provision).err().unwrap_or_else(|| format!("{missing} is not there"));
                warning.get_or_insert(why);
            }
        }
    }
    if let Some(why) = warning {
        inventory.warn(format!("SGX is left out, it needs both of its nodes: {why}"));
    }
    None
}

/// Whether there is a character device. The error is why what is there is none.
fn check(host: &Host, node: &str) -> Result<bool, String> {
    match host.device_number(node) {
        Ok(number) if number.block => Err(format!("{node} is a block device")),
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error_chain(&error)),
    }
}

/// No place: every processor of the machine has SGX.
fn spec(host: &Host, nodes: &[&str]) -> DeviceSpec {
    let mut spec = DeviceSpec::default();
    for node in nodes {
        spec.add_node(host, node);
    }
    spec
}

/// For the program that registers the platform with Intel: the firmware hands it the keys in variables. Runtimes hide
/// `/sys/firmware`, so the file system is mounted elsewhere.
fn efi_variables() -> CdiDevice {
    CdiDevice {
        kind: "intel.cdi.k8s.io/sgx".to_owned(),
        name: "efivarfs".to_owned(),
        filesystems: vec![Filesystem {
            kind: "efivarfs",
            container_path: "/run/efivars".into(),
            options: &["rw", "nosuid", "nodev", "noexec", "relatime"],
        }],
        ..CdiDevice::default()
    }
}
