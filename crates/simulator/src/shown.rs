//! An inventory as text.

use std::fmt::Write as _;
use std::path::Path;

use device_plugin::{ContainerEdits, Inventory};

/// All that an inventory says, for people to read and for golden files; `root`, the folder of the node, is `<root>` in it.
pub fn shown(inventory: &Inventory, root: &Path) -> String {
    let mut text = String::new();
    for (name, resource) in &inventory.resources {
        for (id, device) in &resource.devices {
            let spec = &device.spec;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name} {id} {:?}, NUMA nodes {:?}", device.health, spec.numa);
            edits(&mut text, &spec.edits);
            for expectation in &spec.expects {
                let _ = writeln!(text, "  expects {expectation:?}");
            }
            if let Some(cdi) = &spec.cdi {
                let _ = writeln!(text, "  CDI {}={}", cdi.kind, cdi.name);
                let mut more = String::new();
                edits(&mut more, &cdi.edits);
                for hook in &cdi.hooks {
                    let _ = writeln!(more, "  {hook:?}");
                }
                for filesystem in &cdi.filesystems {
                    let _ = writeln!(more, "  {filesystem:?}");
                }
                for line in more.lines() {
                    let _ = writeln!(text, "  {line}");
                }
            }
        }
    }
    for warning in &inventory.warnings {
        let _ = writeln!(text, "warning {warning}");
    }
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    text.replace(&root.display().to_string(), "<root>")
}

fn edits(text: &mut String, edits: &ContainerEdits) {
    for node in &edits.nodes {
        let (host, container) = (node.host_path.display(), node.container_path.display());
        let _ = writeln!(text, "  node {host} at {container} {}", node.permissions);
    }
    for mount in &edits.mounts {
        let (host, container) = (mount.host_path.display(), mount.container_path.display());
        let mode = if mount.read_only { "ro" } else { "rw" };
        let _ = writeln!(text, "  mount {host} at {container} {mode}");
    }
    for (name, value) in &edits.env {
        let _ = writeln!(text, "  env {name}={value}");
    }
    for (name, value) in &edits.annotations {
        let _ = writeln!(text, "  annotation {name}={value}");
    }
}
