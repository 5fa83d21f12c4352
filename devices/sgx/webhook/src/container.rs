//! The containers of a pod, and what they ask for.

use serde_json::{Map, Value, json};
use webhook::quantity::QuantityError;
use webhook::{Document, Pointer, Quantity};

use crate::{EPC, Refusal, list};

/// How the names of all resources of SGX begin.
const PREFIX: &str = "sgx.intel.com/";

/// When a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before the next one starts.
    Init,
    /// From its turn among the init containers to the pod's end: an init container that is restarted always (KEP-753).
    Sidecar,
    /// After all init containers.
    Main,
}

/// A container of a pod. Ephemeral containers are none here: the API lets them ask for nothing.
#[derive(Debug)]
pub(crate) struct Container {
    /// Its place in the pod.
    pub(crate) place: Pointer,
    pub(crate) name: String,
    pub(crate) stage: Stage,
    /// Bytes of enclave memory, none if it does not ask for any.
    pub(crate) epc: Option<i64>,
}

/// What is wrong with an amount.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error(transparent)]
    Quantity(#[from] QuantityError),
    #[error("{0} is no whole number of units, as devices need")]
    Fraction(Value),
    #[error("{0} is less than nothing")]
    Negative(Value),
    #[error(
        "requests have {request}, but limits {limit}: make both the same, for devices are not overcommitted"
    )]
    Unequal { request: Value, limit: Value },
    #[error("requests have {0}, but limits nothing: write it under limits, requests follow by themselves")]
    NoLimit(Value),
}

impl Container {
    /// All containers of the pod, in the order in which they start. The amounts of all resources of SGX are checked.
    pub(crate) fn all(pod: &Document) -> Result<Vec<Self>, Refusal> {
        let spec = Pointer::root().key("spec");
        let mut containers = Vec::new();
        for name in ["initContainers", "containers"] {
            let place = spec.key(name);
            for (number, value) in list(pod, &place)?.iter().enumerate() {
                let place = place.index(number);
                if !value.is_object() {
                    return Err(Refusal::Shape { place, expected: "a container" });
                }
                let stage = match (name, text(value, "restartPolicy")) {
                    ("containers", _) => Stage::Main,
                    (_, "Always") => Stage::Sidecar,
                    _ => Stage::Init,
                };
                let name = text(value, "name").to_owned();
                let epc = checked(pod, &place.key("resources"), &name)?;
                containers.push(Self { place, name, stage, epc });
            }
        }
        Ok(containers)
    }

    /// Whether it asks for this resource, be it for 0.
    pub(crate) fn asks(&self, pod: &Document, resource: &str) -> bool {
        pod.get(&self.place.key("resources").key("limits").key(resource)).is_some()
    }

    /// Has it ask for one unit, unless its author asked for some number.
    pub(crate) fn ask(&self, pod: &mut Document, resource: &str) -> Result<(), Refusal> {
        if !self.asks(pod, resource) {
            let resources = self.place.key("resources");
            pod.set(&resources.key("limits").key(resource), json!("1"))?;
            pod.set(&resources.key("requests").key(resource), json!("1"))?;
        }
        Ok(())
    }
}

/// The most enclave memory that the pod has at one time, in bytes, by the rule of the scheduler: init containers run one
/// after the other, sidecars stay. None if it is more than 2⁶³-1.
pub(crate) fn memory(containers: &[Container]) -> Option<i64> {
    let (mut stay, mut most) = (0_i64, 0);
    for container in containers {
        let now = stay.checked_add(container.epc.unwrap_or(0))?;
        most = most.max(now);
        if container.stage != Stage::Init {
            stay = now;
        }
    }
    Some(most)
}

/// The text of a member, empty if it has none.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Checks all amounts of SGX as the API does later, and gives the one of enclave memory.
fn checked(pod: &Document, resources: &Pointer, container: &str) -> Result<Option<i64>, Refusal> {
    let none = Map::new();
    let amounts = |name| match pod.get(&resources.key(name)) {
        None => Ok(&none),
        Some(Value::Object(amounts)) => Ok(amounts),
        Some(_) => Err(Refusal::Shape { place: resources.key(name), expected: "a map of resources" }),
    };
    if let Some(value) = pod.get(resources)
        && !value.is_object()
    {
        return Err(Refusal::Shape { place: resources.clone(), expected: "a map" });
    }
    let (limits, requests) = (amounts("limits")?, amounts("requests")?);
    let mut epc = None;
    for resource in limits.keys().chain(requests.keys()).filter(|resource| resource.starts_with(PREFIX)) {
        let of =
            |amounts: &Map<String, Value>| amounts.get(resource).filter(|amount| !amount.is_null()).cloned();
        let units = units(of(limits), of(requests)).map_err(|problem| Refusal::Resource {
            container: container.to_owned(),
            resource: resource.clone(),
            problem,
        })?;
        if resource == EPC {
            epc = units;
        }
    }
    Ok(epc)
}

/// The number of units that a limit and a request say together.
fn units(limit: Option<Value>, request: Option<Value>) -> Result<Option<i64>, Problem> {
    let Some(limit) = limit else {
        return request.map_or(Ok(None), |request| Err(Problem::NoLimit(request)));
    };
    let amount = Quantity::from_json(&limit)?;
    if let Some(request) = request
        && Quantity::from_json(&request)? != amount
    {
        return Err(Problem::Unequal { request, limit });
    }
    match amount.whole() {
        None => Err(Problem::Fraction(limit)),
        Some(units) if units < 0 => Err(Problem::Negative(limit)),
        Some(units) => Ok(Some(units)),
    }
}
