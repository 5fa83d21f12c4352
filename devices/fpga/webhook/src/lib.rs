//! What readable names of FPGA functions in pods mean, `fpga.intel.com/NAME`: objects in the pod's namespace say so.
//!
//! [`review`] decides about a request of the API server: names that nodes have take the place of readable ones, and variables say
//! what the hook on the node programs. Names that nodes have are only for namespaces with an object that stands for them. A pod
//! that comes again is not changed again.
//!
//! [`AcceleratorFunction`] and [`FpgaRegion`] are the objects, [`Mapping`] is what one means, and [`Mappings`] the table of
//! all, which [`watch`] keeps up to date.

mod container;
mod env;
mod mapping;
mod mappings;
mod namespace;
mod types;
mod watch;

use serde_json::Value;
use webhook::resources::containers;
use webhook::{Document, Fields, Outcome, Request};

pub use mapping::{Kind, Mapping, Mode, Object};
pub use mappings::{MAX_IN_NAMESPACE, MAX_OBJECTS, Mappings};
pub use types::{
    AcceleratorFunction, AcceleratorFunctionSpec, FpgaRegion, FpgaRegionSpec, Status, definitions,
};
pub use watch::watch;

use container::Refusal;

/// What is read of a pod: all that [`review`] looks at.
pub const FIELDS: Fields<'_> = {
    const ALL: Fields<'_> = Fields::All;
    const CONTAINERS: Fields<'_> =
        Fields::Only(&[("name", ALL), ("restartPolicy", ALL), ("resources", ALL), ("env", ALL)]);
    Fields::Only(&[
        ("metadata", Fields::Only(&[("name", ALL), ("generateName", ALL)])),
        ("spec", Fields::Only(&[("containers", CONTAINERS), ("initContainers", CONTAINERS)])),
    ])
};

/// Decides about a request: new pods are changed or refused, all else is allowed as it is.
///
/// The namespace is the request's: a pod cannot choose another one's objects.
pub fn review(mappings: &Mappings, request: Request) -> Outcome {
    if request.operation != "CREATE" || !request.subresource.is_empty() {
        return Outcome::unchanged();
    }
    let pod = who(&request.object, &request.namespace);
    let mut document = Document::new(request.object);
    match change(mappings, &request.namespace, &mut document) {
        Ok(warnings) => Outcome::Allowed { patch: document.into_patch(), warnings },
        Err(message) => Outcome::Refused { message: format!("{pod}: {message}") },
    }
}

/// Changes the pod, and gives what its author should know.
fn change(mappings: &Mappings, namespace: &str, pod: &mut Document) -> Result<Vec<String>, String> {
    let known = mappings.namespace(namespace);
    let (mut warnings, mut programmed) = (Vec::new(), 0);
    for container in containers(pod).map_err(|error| error.to_string())? {
        let changed = container::change(pod, &container, &known, &mut programmed);
        warnings.extend(changed.map_err(|refusal| {
            let message = format!("container {:?}: {refusal}", container.name);
            match (mappings.ready(), refusal) {
                (
                    Err(missing),
                    Refusal::Unknown { .. } | Refusal::NotOffered { .. } | Refusal::Variables { .. },
                ) => format!("{message}; but {missing}: try again in a moment"),
                _ => message,
            }
        })?);
    }
    Ok(warnings)
}

/// The pod in a message: its name, or what the API server makes one from.
fn who(pod: &Value, namespace: &str) -> String {
    let text = |name: &str| pod.get("metadata")?.get(name)?.as_str().filter(|text| !text.is_empty());
    let name = text("name").or_else(|| text("generateName")).unwrap_or_default();
    format!("pod {name:?} in namespace {namespace:?}")
}
