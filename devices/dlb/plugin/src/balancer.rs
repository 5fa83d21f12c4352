//! A load balancer, `dlb0`: whether it is a physical or a virtual function, and whether it can be used.

use device_plugin::{DeviceSpec, Expectation, Health, error_chain};
use host::{Host, HostError, PciFunction};

const CLASS: &str = "/sys/class/dlb2";

/// A function with a node of its own.
#[derive(Debug)]
pub(crate) struct Balancer {
    /// `pf` or `vf`.
    pub(crate) resource: &'static str,
    pub(crate) health: Health,
    pub(crate) spec: DeviceSpec,
}

/// Whether this is the name of a load balancer's node, `dlb0`.
pub(crate) fn is_balancer(name: &str) -> bool {
    let number = name.strip_prefix("dlb").unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

impl Balancer {
    /// The load balancer `name`; `None` if it is a physical function that has given what it has to virtual ones.
    pub(crate) fn find(
        host: &Host,
        name: &str,
        warn: &mut impl FnMut(String),
    ) -> Result<Option<Self>, HostError> {
        let node = format!("/dev/{name}");
        host.device_number(&node)?;
        let link = format!("{CLASS}/{name}/device");
        let function = PciFunction::of(host, &link)?;
        let mut spec = DeviceSpec::default();
        let (resource, health) = match function.sriov_numvfs()? {
            Some(0) => {
                let (path, value) = (function.folder().join("sriov_numvfs"), "0".to_owned());
                spec.expects.push(Expectation::Value { path, value });
                ("pf", Health::Healthy)
            }
            Some(_) => return Ok(None),
            None => ("vf", health_of_virtual(host, &function)),
        };
        spec.add_node(host, node);
        let nearby = host::numa::of_sysfs_device(host, function.folder());
        for error in nearby.errors {
            warn(format!("{name}: NUMA nodes are not known: {}", error_chain(&error)));
        }
        spec.numa = Some(nearby.nodes);
        Ok(Some(Self { resource, health, spec }))
    }
}

/// A virtual function has what its physical one was told to give it, which is nothing at first. In a virtual machine there
/// is nobody to ask.
fn health_of_virtual(host: &Host, function: &PciFunction) -> Health {
    let given = || {
        let physical = function.physical_function()?;
        let Some(physical) = physical else { return Ok(None) };
        let all = physical.virtual_functions()?;
        let number = all.iter().position(|one| one.address() == function.address());
        let Some(number) = number else { return Ok(None) };
        let folder = physical.folder().join(format!("vf{number}_resources"));
        let mut sum = 0;
        for name in host.names(&folder)?.iter().filter(|name| name.starts_with("num_")) {
            sum += host.parse::<u64>(folder.join(name), "a number of resources")?;
        }
        Ok::<_, HostError>(Some((physical.address(), sum)))
    };
    match given() {
        Ok(Some((physical, 0))) => {
            Health::Unhealthy(format!("the physical function {physical} has given it no resources"))
        }
        // What cannot be read is no reason: older drivers do not tell.
        Ok(_) | Err(_) => Health::Healthy,
    }
}
