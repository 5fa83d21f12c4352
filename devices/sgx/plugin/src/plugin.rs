//! The plugin: the two nodes of SGX (`Documentation/arch/x86/sgx.rst`), each offered many times.

use std::sync::Arc;

use device_plugin::{
    CdiDevice, Device, DevicePlugin, DeviceSpec, DiscoverError, Filesystem, Inventory, Triggers, error_chain,
};
use host::Host;

use crate::Config;

/// The kernel's nodes, and those of the driver that was before (DCAP's, until Linux 5.11).
const NODES: [Nodes; 2] = [
    Nodes { enclave: "/dev/sgx_enclave", provision: "/dev/sgx_provision" },
    Nodes { enclave: "/dev/sgx/enclave", provision: "/dev/sgx/provision" },
];

/// Offers enclaves and the provisioning key.
#[derive(Debug)]
pub struct SgxPlugin {
    config: Config,
}

/// One driver's pair of nodes.
#[derive(Debug, Clone, Copy)]
struct Nodes {
    /// Makes enclaves.
    enclave: &'static str,
    /// Lets enclaves have the provisioning key, by which a platform attests itself.
    provision: &'static str,
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
        Triggers { subsystems: &["misc"], folders: &["/dev/sgx*", "/dev/sgx"], ..Triggers::default() }
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
    for nodes in NODES {
        let [enclave, provision] = [nodes.enclave, nodes.provision].map(|node| host.device_number(node));
        match (enclave, provision) {
            (Ok(_), Ok(_)) => return Some(nodes),
            (Err(enclave), Err(provision)) if enclave.is_not_found() && provision.is_not_found() => {}
            (enclave, provision) => {
                let why = [enclave.err(), provision.err()].into_iter().flatten().next();
                let why = why.map(|error| error_chain(&error)).unwrap_or_default();
                inventory.warn(format!("SGX is left out, it needs both of its nodes: {why}"));
            }
        }
    }
    None
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
