//! A load balancer, `dlb0`: whether it is a physical or a virtual function, and whether it can be used.

use device_plugin::{DeviceSpec, Expectation, Health, numa_or_nowhere};
use host::{Host, HostError, PciAddress, PciFunction};

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
    host::number_of(name, "dlb").is_some()
}

/// The physical function that the load balancer `/dev/dlb0` is, or is part of; its id where that cannot be found out.
pub(crate) fn physical(host: &Host, id: &str) -> Result<PciAddress, String> {
    let name = id.strip_prefix("/dev/").unwrap_or(id);
    let find = || {
        let function = PciFunction::of(host, format!("{CLASS}/{name}/device"))?;
        Ok::<_, HostError>(function.physical_function()?.unwrap_or(function).address())
    };
    find().ok().ok_or_else(|| id.to_owned())
}

impl Balancer {
    /// The load balancer `name`; `None` if it is a physical function that has given what it has to virtual ones.
    pub(crate) fn find(
        host: &Host,
        name: &str,
        warn: &mut impl FnMut(String),
    ) -> Result<Option<Self>, HostError> {
        let node = format!("/dev/{name}");
        if host.device_number(&node)?.block {
            warn(format!("{name} is left out: {node} is a block device"));
            return Ok(None);
        }
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
        // Another function may have the number by then.
        spec.expects.push(Expectation::Link { path: link.into(), name: function.address().to_string() });
        spec.numa = Some(numa_or_nowhere(name, function.numa_nodes(), warn));
        Ok(Some(Self { resource, health, spec }))
    }
}

/// A virtual function has what its physical one was told to give it, which is nothing at first. In a virtual machine there
/// is nobody to ask.
fn health_of_virtual(host: &Host, function: &PciFunction) -> Health {
    let given = || {
        let Some(physical) = function.physical_function()? else { return Ok(None) };
        let enabled = physical.sriov_numvfs()?.unwrap_or_default();
        let is_it = |number: &u16| {
            physical.virtual_function((*number).into()).is_ok_and(|one| one.address() == function.address())
        };
        let Some(number) = (0..enabled).find(is_it) else { return Ok(None) };
        let given = given(host, &physical, number)?;
        Ok::<_, HostError>(given.map(|given| (physical.address(), given)))
    };
    match given() {
        Ok(Some((physical, 0))) => {
            Health::Unhealthy(format!("the physical function {physical} has given it no resources"))
        }
        // What cannot be read is no reason: older drivers do not tell.
        Ok(_) | Err(_) => Health::Healthy,
    }
}

/// The sum of what a physical function has given to its virtual one of that number, whether that uses it or not: files
/// `vfN_resources/num_*` of Intel's driver. `None` if the driver does not tell.
pub(crate) fn given(host: &Host, physical: &PciFunction, number: u16) -> Result<Option<u64>, HostError> {
    let folder = physical.folder().join(format!("vf{number}_resources"));
    let names = match host.names(&folder) {
        Err(error) if error.is_not_found() => return Ok(None),
        names => names?,
    };
    let mut sum = None;
    for name in names.iter().filter(|name| name.starts_with("num_")) {
        let one: u64 = host.parse(folder.join(name), "a number of resources")?;
        sum = Some(one.saturating_add(sum.unwrap_or_default()));
    }
    Ok(sum)
}
