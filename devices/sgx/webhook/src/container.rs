//! The containers of a pod, and what they ask for.

use serde_json::{Map, Value, json};
use webhook::quantity::QuantityError;
use webhook::{Document, Pointer, Quantity};

use crate::{ENCLAVE, EPC, PROVISION, Refusal, list};

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
    /// What its author asks for.
    pub(crate) asked: Asked,
}

/// What a container asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// Bytes of enclave memory, which may be 0.
    pub(crate) epc: Option<i64>,
    /// Units of the device node for enclaves, which may be 0.
    pub(crate) enclave: Option<i64>,
    /// Units of the device node for provisioning, which may be 0.
    pub(crate) provision: Option<i64>,
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
        for list_name in ["initContainers", "containers"] {
            let place = spec.key(list_name);
            for (number, value) in list(pod, &place)?.iter().enumerate() {
                let place = place.index(number);
                if !value.is_object() {
                    return Err(Refusal::Shape { place, expected: "a container" });
                }
                let stage = match (list_name, text(value, "restartPolicy")) {
                    ("containers", _) => Stage::Main,
                    (_, "Always") => Stage::Sidecar,
                    _ => Stage::Init,
                };
                let name = text(value, "name").to_owned();
                let asked = match value.get("resources") {
                    None | Some(Value::Null) => Asked::default(),
                    Some(resources) => Asked::read(resources, &place.key("resources"), &name)?,
                };
                containers.push(Self { place, name, stage, asked });
            }
        }
        Ok(containers)
    }

    /// Has it ask for one unit.
    pub(crate) fn ask(&self, pod: &mut Document, resource: &str) -> Result<(), Refusal> {
        let resources = self.place.key("resources");
        for amounts in ["limits", "requests"] {
            pod.set(&resources.key(amounts).key(resource), json!("1"))?;
        }
        Ok(())
    }
}

impl Asked {
    /// Reads `resources` of a container, and checks all amounts of SGX as the API does later.
    fn read(resources: &Value, place: &Pointer, container: &str) -> Result<Self, Refusal> {
        if !resources.is_object() {
            return Err(Refusal::Shape { place: place.clone(), expected: "a map" });
        }
        let none = Map::new();
        let amounts = |name| match resources.get(name) {
            None | Some(Value::Null) => Ok(&none),
            Some(Value::Object(amounts)) => Ok(amounts),
            Some(_) => Err(Refusal::Shape { place: place.key(name), expected: "a map of resources" }),
        };
        let (limits, requests) = (amounts("limits")?, amounts("requests")?);
        let mut asked = Self::default();
        for resource in limits.keys().chain(requests.keys()).filter(|resource| resource.starts_with(PREFIX)) {
            let units = units(limits.get(resource), requests.get(resource)).map_err(|problem| {
                Refusal::Resource { container: container.to_owned(), resource: resource.clone(), problem }
            })?;
            match resource.as_str() {
                EPC => asked.epc = units,
                ENCLAVE => asked.enclave = units,
                PROVISION => asked.provision = units,
                _ => {}
            }
        }
        Ok(asked)
    }
}

/// The most enclave memory that the pod has at one time, in bytes, by the rule of the scheduler: init containers run one
/// after the other, sidecars stay. None if it is more than 2⁶³-1.
pub(crate) fn memory(containers: &[Container]) -> Option<i64> {
    let (mut stay, mut most) = (0_i64, 0);
    for container in containers {
        let now = stay.checked_add(container.asked.epc.unwrap_or(0))?;
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

/// The number of units that a limit and a request say together.
fn units(limit: Option<&Value>, request: Option<&Value>) -> Result<Option<i64>, Problem> {
    let is_there = |amount: &&Value| !amount.is_null();
    let (limit, request) = (limit.filter(is_there), request.filter(is_there));
    let Some(limit) = limit else {
        return request.map_or(Ok(None), |request| Err(Problem::NoLimit(request.clone())));
    };
    let amount = Quantity::from_json(limit)?;
    if let Some(request) = request
        && request != limit
        && Quantity::from_json(request)? != amount
    {
        return Err(Problem::Unequal { request: request.clone(), limit: limit.clone() });
    }
    match amount.whole() {
        None => Err(Problem::Fraction(limit.clone())),
        Some(units) if units < 0 => Err(Problem::Negative(limit.clone())),
        Some(units) => Ok(Some(units)),
    }
}
