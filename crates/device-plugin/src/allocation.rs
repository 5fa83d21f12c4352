//! What a container gets for the device ids that the kubelet asks for, checked against the hardware of this moment.

use std::sync::Arc;

use host::Host;

use crate::cdi::CdiFolder;
use crate::{
    CdiDevice, ContainerEdits, Device, DevicePlugin, DeviceSpec, Expectation, Health, Refusal, Resource, api,
    error_chain,
};

/// What a container gets that asks for `ids` of the resource `name`: the answer of [`Manager`](crate::Manager), which is whole or
/// not at all. Writes the CDI files of the devices that have one.
pub fn allocate<P: DevicePlugin>(
    plugin: &P,
    host: &Host,
    cdi: &CdiFolder,
    name: &str,
    resource: &Resource,
    ids: &[String],
) -> Result<api::ContainerAllocateResponse, Refusal> {
    let devices = find(resource, ids)?;
    let specs = distinct_specs(&devices);
    let mut edits = ContainerEdits::default();
    let mut cdi_devices: Vec<&CdiDevice> = Vec::new();
    for (id, spec) in &specs {
        for expectation in &spec.expects {
            check(host, expectation)
                .map_err(|reason| Refusal::new(format!("device {id} cannot be allocated: {reason}")))?;
        }
        edits.merge(&spec.edits);
        if let Some(device) = &spec.cdi
            && !cdi_devices.contains(&device)
        {
            cdi_devices.push(device);
        }
    }
    for device in &cdi_devices {
        cdi.write(device).map_err(|e| Refusal::new(error_chain(&e)))?;
    }
    let edits = plugin.allocate(name, &devices, edits)?;
    Ok(response(&edits, &cdi_devices))
}

/// The devices of `ids`, all known; with an error that names the first that is not.
pub(crate) fn known<'a>(
    resource: &'a Resource,
    ids: &'a [String],
) -> Result<Vec<(&'a str, &'a Device)>, Refusal> {
    ids.iter()
        .map(|id| match resource.devices.get(id) {
            Some(device) => Ok((id.as_str(), device)),
            None => {
                Err(Refusal::new(format!("device {id} cannot be allocated: this node has no such device")))
            }
        })
        .collect()
}

fn find<'a>(resource: &'a Resource, ids: &'a [String]) -> Result<Vec<(&'a str, &'a Device)>, Refusal> {
    let devices = known(resource, ids)?;
    for (id, device) in &devices {
        if let Health::Unhealthy(reason) = &device.health {
            return Err(Refusal::new(format!("device {id} cannot be allocated: it is unhealthy: {reason}")));
        }
    }
    Ok(devices)
}

/// Units of one piece of hardware share a spec, and a container gets it once.
fn distinct_specs<'a>(devices: &[(&'a str, &'a Device)]) -> Vec<(&'a str, &'a Arc<DeviceSpec>)> {
    let mut specs: Vec<(&str, &Arc<DeviceSpec>)> = Vec::new();
    for (id, device) in devices {
        if !specs.iter().any(|(_, seen)| Arc::ptr_eq(seen, &device.spec)) {
            specs.push((id, &device.spec));
        }
    }
    specs
}

fn check(host: &Host, expectation: &Expectation) -> Result<(), String> {
    match expectation {
        Expectation::DeviceNode(path) => host.device_number(path).map(drop).map_err(|e| error_chain(&e)),
        Expectation::Exists(path) if host.exists(path) => Ok(()),
        Expectation::Exists(path) => Err(format!("{} is gone", path.display())),
        Expectation::Value { path, value } => match host.read(path) {
            Ok(found) if found == *value => Ok(()),
            Ok(found) => Err(format!("{} says {found:?}, not {value:?} any more", path.display())),
            Err(e) => Err(error_chain(&e)),
        },
        Expectation::Link { path, name } => match host.link_name(path) {
            Ok(found) if found == *name => Ok(()),
            Ok(found) => Err(format!("{} leads to {found}, not to {name} any more", path.display())),
            Err(e) => Err(error_chain(&e)),
        },
    }
}

fn response(edits: &ContainerEdits, cdi_devices: &[&CdiDevice]) -> api::ContainerAllocateResponse {
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    api::ContainerAllocateResponse {
        envs: edits.env.clone(),
        annotations: edits.annotations.clone(),
        mounts: edits
            .mounts
            .iter()
            .map(|mount| api::Mount {
                container_path: text(&mount.container_path),
                host_path: text(&mount.host_path),
                read_only: mount.read_only,
            })
            .collect(),
        devices: edits
            .nodes
            .iter()
            .map(|node| api::DeviceSpec {
                container_path: text(&node.container_path),
                host_path: text(&node.host_path),
                permissions: node.permissions.to_owned(),
            })
            .collect(),
        cdi_devices: cdi_devices
            .iter()
            .map(|device| api::CdiDevice { name: CdiFolder::qualified_name(device) })
            .collect(),
    }
}
