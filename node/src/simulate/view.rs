//! What the kubelet sees and what containers get, as text and as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use simulator::kubelet::{ContainerAdmission, ResourceState, State};

use crate::table::Table;

/// A container and what became of it.
pub(crate) struct Container {
    pub(crate) requests: BTreeMap<String, usize>,
    /// What it is given, or why nothing.
    pub(crate) outcome: Result<ContainerAdmission, String>,
}

/// Colours, where the reader is a terminal.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    pub(crate) colour: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn red(self, text: &str) -> String {
        self.paint("31", text)
    }
}

/// The resources as the kubelet sees them.
pub(crate) fn resources(state: &State, style: Style) -> Vec<String> {
    if state.resources.is_empty() {
        return vec!["no plugin has registered a resource".to_owned()];
    }
    let mut table = Table::new(["RESOURCE", "CAPACITY", "ALLOCATABLE", "NUMA", "DEVICES"]);
    for (name, resource) in &state.resources {
        table.row([
            name.clone(),
            resource.capacity().to_string(),
            resource.allocatable().to_string(),
            numa(resource),
            devices(resource),
        ]);
    }
    let unhealthy: Vec<bool> =
        state.resources.values().map(|resource| resource.allocatable() < resource.capacity()).collect();
    table.lines(|number, line| match number.checked_sub(1) {
        None => style.bold(line),
        Some(row) if unhealthy.get(row) == Some(&true) => style.red(line),
        Some(_) => line.to_owned(),
    })
}

fn numa(resource: &ResourceState) -> String {
    let mut nodes: Vec<i64> =
        resource.devices.values().flat_map(|device| device.numa.iter().copied()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    if nodes.is_empty() {
        return "-".to_owned();
    }
    nodes.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
}

/// The first few ids; those that may not be handed out with a mark.
fn devices(resource: &ResourceState) -> String {
    const SHOWN: usize = 8;
    let mut ids: Vec<String> = resource
        .devices
        .iter()
        .take(SHOWN)
        .map(|(id, device)| if device.healthy { id.clone() } else { format!("{id} (unhealthy)") })
        .collect();
    if let Some(more) = resource.devices.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        ids.push(format!("and {more} more"));
    }
    ids.join(" ")
}

/// What a container is given, or why not.
pub(crate) fn container(container: &Container, root: &Path, style: Style) -> Vec<String> {
    let requests: Vec<String> =
        container.requests.iter().map(|(resource, count)| format!("{resource}={count}")).collect();
    let mut lines = vec![style.bold(&format!("a container that asks for {} is given", requests.join(", ")))];
    let admission = match &container.outcome {
        Ok(admission) => admission,
        Err(error) => {
            lines.push(format!("  {}", style.red(&format!("nothing: {error}"))));
            return lines;
        }
    };
    let mut table = Table::default();
    for (resource, ids) in &admission.devices {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        table.row(["  device".to_owned(), ids.join(" "), resource.clone()]);
    }
    let on_host = |path: &str, inside: &str| match Path::new(path).strip_prefix(root) {
        Ok(rest) if Path::new("/").join(rest) == Path::new(inside) => String::new(),
        Ok(rest) => format!("from /{}", rest.display()),
        Err(_) => format!("from {path}"),
    };
    let options = &admission.options;
    for device in &options.devices {
        let from = on_host(&device.host_path, &device.container_path);
        table.row([
            "  node".to_owned(),
            device.container_path.clone(),
            format!("{} {from}", device.permissions),
        ]);
    }
    for mount in &options.mounts {
        let mode = if mount.read_only { "ro" } else { "rw" };
        let from = on_host(&mount.host_path, &mount.container_path);
        table.row(["  mount".to_owned(), mount.container_path.clone(), format!("{mode} {from}")]);
    }
    for (name, value) in &options.env {
        table.row(["  variable".to_owned(), format!("{name}={value}"), String::new()]);
    }
    for (name, value) in &options.annotations {
        table.row(["  annotation".to_owned(), format!("{name}={value}"), String::new()]);
    }
    for name in &options.cdi_devices {
        table.row(["  CDI device".to_owned(), name.clone(), String::new()]);
    }
    lines.extend(table.lines(|_, line| line.to_owned()));
    lines
}

/// All of it for programs.
pub(crate) fn json(profile: &str, state: &State, containers: &[Container]) -> Value {
    let resources: BTreeMap<&String, Value> = state
        .resources
        .iter()
        .map(|(name, resource)| {
            let devices: Vec<Value> = resource
                .devices
                .iter()
                .map(|(id, device)| json!({"id": id, "healthy": device.healthy, "numa": device.numa}))
                .collect();
            let view = json!({
                "capacity": resource.capacity(),
                "allocatable": resource.allocatable(),
                "devices": devices,
            });
            (name, view)
        })
        .collect();
    let containers: Vec<Value> = containers
        .iter()
        .map(|container| match &container.outcome {
            Ok(admission) => json!({"requests": container.requests, "given": admission}),
            Err(error) => json!({"requests": container.requests, "error": error}),
        })
        .collect();
    json!({"profile": profile, "resources": resources, "containers": containers})
}
