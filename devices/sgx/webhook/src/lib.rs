//! What pods that ask for enclave memory, `sgx.intel.com/epc`, need beside it: the device nodes of SGX, a way to a quoting daemon,
//! and the annotation by which Kata Containers knows how much memory a virtual machine needs.
//!
//! [`review`] decides about a request of the API server, and [`mutate`] about a new pod. Both are pure functions, and a pod that
//! comes again is not changed again.

mod aesmd;
mod container;

use serde_json::{Value, json};
use webhook::patch::PatchError;
use webhook::resources::ResourceError;
use webhook::{Document, Fields, Outcome, Pointer, Request, quantity};

use container::Container;

/// Enclave memory in bytes: what pods ask for.
pub const EPC: &str = "sgx.intel.com/epc";
/// The device node to make enclaves with.
pub const ENCLAVE: &str = "sgx.intel.com/enclave";
/// The device node to use the provisioning key with, for quotes.
pub const PROVISION: &str = "sgx.intel.com/provision";
/// Annotation of a pod: the container that makes its quotes. `aesmd` if the Intel SGX daemon does, in the pod or on its node.
pub const QUOTE_PROVIDER: &str = "sgx.intel.com/quote-provider";

/// What is read of a pod: all that [`mutate`] looks at.
pub const FIELDS: Fields<'_> = {
    const ALL: Fields<'_> = Fields::All;
    const CONTAINERS: Fields<'_> = Fields::Only(&[
        ("name", ALL),
        ("restartPolicy", ALL),
        ("resources", ALL),
        ("env", Fields::Only(&[("name", ALL)])),
        ("volumeMounts", Fields::Only(&[("name", ALL), ("mountPath", ALL)])),
    ]);
    Fields::Only(&[
        ("metadata", Fields::Only(&[("annotations", Fields::Only(&[(QUOTE_PROVIDER, ALL), (EPC, ALL)]))])),
        (
            "spec",
            Fields::Only(&[
                ("containers", CONTAINERS),
                ("initContainers", CONTAINERS),
                ("volumes", Fields::Only(&[("name", ALL)])),
            ]),
        ),
    ])
};

/// Why a pod must not be created.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("container {container:?}: {problem}")]
    Container { container: String, problem: ResourceError },
    #[error(transparent)]
    Shape(#[from] ResourceError),
    #[error(transparent)]
    Patch(#[from] PatchError),
    #[error("the containers ask for more {EPC} together than 2^63-1 bytes")]
    TooMuch,
}

/// Decides about a request: new pods are changed, all else is allowed as it is.
pub fn review(request: Request) -> Outcome {
    if request.operation == "CREATE" && request.subresource.is_empty() {
        mutate(request.object)
    } else {
        Outcome::unchanged()
    }
}

/// Decides about a new pod.
pub fn mutate(pod: Value) -> Outcome {
    let mut pod = Document::new(pod);
    match change(&mut pod) {
        Ok(warnings) => Outcome::Allowed { patch: pod.into_patch(), warnings },
        Err(refusal) => Outcome::Refused { message: refusal.to_string() },
    }
}

/// Changes the pod, and gives what its author should know.
fn change(pod: &mut Document) -> Result<Vec<String>, Refusal> {
    let containers = Container::all(pod)?;
    let provider = annotation(pod, QUOTE_PROVIDER)?.filter(|provider| !provider.is_empty());
    let mut warnings = Vec::new();

    for container in containers.iter().filter(|container| container.epc.is_some()) {
        if container.provision.is_none() && provider.as_ref() == Some(&container.name) {
            container.ask(pod, PROVISION)?;
        }
        if container.enclave.is_none() {
            container.ask(pod, ENCLAVE)?;
        }
    }
    match provider.as_deref() {
        Some(aesmd::NAME) => warnings.extend(aesmd::share_socket(pod, &containers)?),
        Some(name) if !containers.iter().any(|it| it.epc.is_some() && it.name == name) => {
            warnings.push(format!(
                "annotation {QUOTE_PROVIDER} names {name:?}, but no container of that name asks for {EPC}: none gets {PROVISION}"
            ));
        }
        _ => {}
    }

    let annotations = Pointer::root().key("metadata").key("annotations");
    let bytes = container::memory(&containers).ok_or(Refusal::TooMuch)?;
    if bytes > 0 {
        pod.set(&annotations.key(EPC), json!(quantity::bytes(bytes)))?;
    } else if pod.get(&annotations.key(EPC)).is_some() {
        pod.remove(&annotations, EPC);
        warnings.push(format!("annotation {EPC} is removed: no container asks for that resource"));
    }
    Ok(warnings)
}

fn annotation(pod: &Document, name: &str) -> Result<Option<String>, Refusal> {
    let place = Pointer::root().key("metadata").key("annotations").key(name);
    match pod.get(&place) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(ResourceError::Shape { place, expected: "a text" }.into()),
    }
}
