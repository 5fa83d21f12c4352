//! The way to Intel's quoting daemon: a folder with its socket, and the variable by which Intel's library uses it.

use std::path::Path;

use serde_json::{Value, json};
use webhook::{Document, Pointer};

use crate::container::{Container, Stage, text};
use crate::{ENCLAVE, EPC, PROVISION, QUOTE_PROVIDER, Refusal, list};

/// The container's name, and the value of the annotation.
pub(crate) const NAME: &str = "aesmd";

/// The daemon's folder, in all containers and on the node.
const FOLDER: &str = "/var/run/aesmd";

/// The volume's name.
const VOLUME: &str = "aesmd-socket";

/// Set to any value: Intel's library asks the daemon, and makes no quotes itself.
const VARIABLE: &str = "SGX_AESM_ADDR";

/// Gives all containers with enclave memory, and the daemon if the pod has it, a common folder for the socket: the pod's own if
/// the daemon is in the pod and others too, otherwise the node's. Gives what the pod's author should know.
pub(crate) fn share_socket(pod: &mut Document, containers: &[Container]) -> Result<Vec<String>, Refusal> {
    let mut warnings = Vec::new();
    if containers.iter().all(|container| container.epc.is_none()) {
        warnings.push(format!("annotation {QUOTE_PROVIDER} has no effect: no container asks for {EPC}"));
        return Ok(warnings);
    }
    let daemon = containers.iter().find(|container| container.name == NAME && container.stage != Stage::Init);
    if let Some(daemon) = daemon
        && daemon.epc.is_none()
        && !daemon.asks(pod, ENCLAVE)
    {
        warnings.push(format!(
            "container {NAME:?} asks for no {EPC}: it cannot make quotes without the devices of SGX"
        ));
    }

    let mut needed = false;
    for container in containers {
        let serves = daemon.is_some_and(|daemon| daemon.place == container.place);
        if container.epc.is_some() || serves {
            needed |= mount(pod, container, serves)?;
        }
        if container.epc.is_some() {
            set_variable(pod, container)?;
        }
    }
    let volumes = Pointer::root().key("spec").key("volumes");
    if !needed || list(pod, &volumes)?.iter().any(|volume| text(volume, "name") == VOLUME) {
        return Ok(warnings);
    }
    let has_clients = containers.iter().any(|container| container.epc.is_some() && container.name != NAME);
    if daemon.is_some() && has_clients {
        pod.push(&volumes, json!({ "name": VOLUME, "emptyDir": { "medium": "Memory" } }))?;
    } else {
        let folder = json!({ "path": FOLDER, "type": "DirectoryOrCreate" });
        pod.push(&volumes, json!({ "name": VOLUME, "hostPath": folder }))?;
    }
    if daemon.is_none() {
        warnings.push(format!(
            "the pod gets the node's {FOLDER} (hostPath), which the Pod Security Standards baseline and restricted forbid: where these \
             are enforced, run {NAME} as a container of the pod, or mount a volume there yourself"
        ));
    }
    Ok(warnings)
}

/// Mounts the folder, unless something is there already. Whether the mount is of the volume with our name.
fn mount(pod: &mut Document, container: &Container, serves: bool) -> Result<bool, Refusal> {
    let mounts = container.place.key("volumeMounts");
    let is_folder = |mount: &&Value| Path::new(text(mount, "mountPath")) == Path::new(FOLDER);
    if let Some(mount) = list(pod, &mounts)?.iter().find(is_folder) {
        return Ok(text(mount, "name") == VOLUME);
    }
    let mut mount = json!({ "name": VOLUME, "mountPath": FOLDER });
    // To connect to a socket its folder need not be writable. Who asks for the provisioning key may be a daemon of another name.
    if !serves
        && !container.asks(pod, PROVISION)
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
