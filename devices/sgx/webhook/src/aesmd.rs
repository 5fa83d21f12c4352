//! The way to Intel's quoting daemon: a folder with its socket, and the variable by which Intel's library uses it.

use std::path::Path;

use serde_json::{Value, json};
use webhook::resources::{Stage, list};
use webhook::{Document, Pointer};

use crate::container::Container;
use crate::{EPC, QUOTE_PROVIDER, Refusal};

/// The container's name, and the value of the annotation.
pub(crate) const NAME: &str = "aesmd";

/// The daemon's folder, in all containers and on the node.
const FOLDER: &str = "/var/run/aesmd";

/// The volume's name.
const VOLUME: &str = "aesmd-socket";

/// Set to any value: Intel's library asks the daemon, and makes no quotes itself.
const VARIABLE: &str = "SGX_AESM_ADDR";

/// Gives all containers with enclave memory, and the daemon if the pod has it, a common folder for the socket: the pod's own if
/// the daemon is in the pod and serves others there, otherwise the node's. Gives what the pod's author should know.
pub(crate) fn share_socket(pod: &mut Document, containers: &[Container]) -> Result<Option<String>, Refusal> {
    if containers.iter().all(|container| container.epc.is_none()) {
        return Ok(Some(format!("annotation {QUOTE_PROVIDER} has no effect: no container asks for {EPC}")));
    }
    let daemon = containers.iter().position(|it| it.name == NAME && it.stage != Stage::Init);
    let (mut is_needed, mut has_clients) = (false, false);
    for (number, container) in containers.iter().enumerate() {
        let serves = daemon == Some(number);
        let is_client = container.epc.is_some();
        // An init container that ends before the daemon starts is no client of it.
        has_clients |= is_client && !serves && (container.stage != Stage::Init || daemon < Some(number));
        if is_client || serves {
            is_needed |= mount(pod, container)?;
        }
        if is_client {
            set_variable(pod, container)?;
        }
    }

    let volumes = Pointer::root().key("spec").key("volumes");
    if is_needed && !list(pod, &volumes)?.iter().any(|volume| text(volume, "name") == VOLUME) {
        let volume = if daemon.is_some() && has_clients {
            json!({ "name": VOLUME, "emptyDir": { "medium": "Memory" } })
        } else {
            json!({ "name": VOLUME, "hostPath": { "path": FOLDER, "type": "DirectoryOrCreate" } })
        };
        pod.push(&volumes, volume)?;
    }
    let daemon = daemon.and_then(|number| containers.get(number));
    let has_no_device = |daemon: &&Container| daemon.epc.is_none() && daemon.enclave.is_none();
    Ok(daemon.filter(has_no_device).map(|_| {
        format!("container {NAME:?} asks for no {EPC}: it cannot make quotes without the devices of SGX")
    }))
}

/// Mounts the folder, unless something is there already. Whether the mount is of the volume with our name.
fn mount(pod: &mut Document, container: &Container) -> Result<bool, Refusal> {
    let mounts = container.place.key("volumeMounts");
    let is_folder = |mount: &&Value| Path::new(text(mount, "mountPath")) == Path::new(FOLDER);
    if let Some(mount) = list(pod, &mounts)?.iter().find(is_folder) {
        return Ok(text(mount, "name") == VOLUME);
    }
    let mut mount = json!({ "name": VOLUME, "mountPath": FOLDER });
    // To connect to a socket its folder need not be writable. Who asks for the provisioning key may be a daemon of another name.
    if container.name != NAME
        && container.provision.is_none()
        && let Some(members) = mount.as_object_mut()
    {
        members.insert("readOnly".to_owned(), json!(true));
    }
    pod.push(&mounts, mount)?;
    Ok(true)
}

/// Sets the variable, unless the container has one of this name.
fn set_variable(pod: &mut Document, container: &Container) -> Result<(), Refusal> {
    let variables = container.place.key("env");
    if !list(pod, &variables)?.iter().any(|variable| text(variable, "name") == VARIABLE) {
        pod.push(&variables, json!({ "name": VARIABLE, "value": "1" }))?;
    }
    Ok(())
}

/// The text of a member, empty if it has none.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
