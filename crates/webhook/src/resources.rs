//! What the containers of a pod ask for.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::quantity::QuantityError;
use crate::{Document, Pointer, Quantity};

/// A container of a pod that can ask for devices: ephemeral ones cannot.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    /// Its place in the pod.
    pub place: Pointer,
    /// Its name, empty if it has none.
    pub name: String,
    /// When it runs.
    pub stage: Stage,
}

/// When a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before the next one starts.
    Init,
    /// From its turn among the init containers to the pod's end: an init container that is restarted always (KEP-753).
    Sidecar,
    /// After all init containers.
    Main,
}

/// Why it is not known what a container asks for.
#[derive(Debug, thiserror::Error)]
pub enum ResourceError {
    /// Something else stands in the place of a map or a list.
    #[error("{place} is not {expected}")]
    Shape {
        /// Where.
        place: Pointer,
        /// What should be there.
        expected: &'static str,
    },
    /// An amount that the API would refuse later.
    #[error("{resource}: {problem}")]
    Amount {
        /// The resource's whole name.
        resource: String,
        /// What is wrong with it.
        problem: AmountError,
    },
}

/// What is wrong with an amount of devices.
#[derive(Debug, thiserror::Error)]
pub enum AmountError {
    /// It is no quantity.
    #[error(transparent)]
    Quantity(#[from] QuantityError),
    /// There are no parts of devices.
    #[error("{0} is no whole number of units, as devices need")]
    Fraction(Value),
    /// Below zero.
    #[error("{0} is less than nothing")]
    Negative(Value),
    /// Two amounts.
    #[error(
        "requests have {request}, but limits {limit}: make both the same, for devices are not overcommitted"
    )]
    Unequal {
        /// What stands under requests.
        request: Value,
        /// What stands under limits.
        limit: Value,
    },
    /// A request alone.
    #[error("requests have {0}, but limits nothing: write it under limits, requests follow by themselves")]
    NoLimit(Value),
}

/// All containers of the pod, in the order in which they start: first the init containers, among which sidecars are.
pub fn containers(pod: &Document) -> Result<Vec<Container>, ResourceError> {
    let mut containers = Vec::new();
    for kind in ["initContainers", "containers"] {
        let place = Pointer::root().key("spec").key(kind);
        for (number, container) in list(pod, &place)?.iter().enumerate() {
            let place = place.index(number);
            if !container.is_object() {
                return Err(ResourceError::Shape { place, expected: "a container" });
            }
            let text = |name| container.get(name).and_then(Value::as_str).unwrap_or_default();
            let stage = match (kind, text("restartPolicy")) {
                ("containers", _) => Stage::Main,
                (_, "Always") => Stage::Sidecar,
                _ => Stage::Init,
            };
            containers.push(Container { place, name: text("name").to_owned(), stage });
        }
    }
    Ok(containers)
}

/// The units of each resource whose name begins with `prefix` that the container at `container` asks for, be it 0, by their
/// whole names. Limits alone are enough, as for the API.
pub fn asked(
    pod: &Document,
    container: &Pointer,
    prefix: &str,
) -> Result<BTreeMap<String, i64>, ResourceError> {
    let resources = container.key("resources");
    if pod.get(&resources).is_some_and(|resources| !resources.is_object()) {
        return Err(ResourceError::Shape { place: resources, expected: "a map" });
    }
    let none = Map::new();
    let amounts = |name| match pod.get(&resources.key(name)) {
        None => Ok(&none),
        Some(Value::Object(amounts)) => Ok(amounts),
        Some(_) => Err(ResourceError::Shape { place: resources.key(name), expected: "a map of resources" }),
    };
    let (limits, requests) = (amounts("limits")?, amounts("requests")?);
    let mut asked = BTreeMap::new();
    for resource in limits.keys().chain(requests.keys()).filter(|resource| resource.starts_with(prefix)) {
        let units = units(limits.get(resource), requests.get(resource));
        let units = units.map_err(|problem| ResourceError::Amount { resource: resource.clone(), problem })?;
        asked.extend(units.map(|units| (resource.clone(), units)));
    }
    Ok(asked)
}

/// The list at a place, empty if it is missing.
pub fn list<'pod>(pod: &'pod Document, place: &Pointer) -> Result<&'pod [Value], ResourceError> {
    match pod.get(place) {
        None => Ok(&[]),
        Some(Value::Array(elements)) => Ok(elements),
        Some(_) => Err(ResourceError::Shape { place: place.clone(), expected: "a list" }),
    }
}

/// The number of units that a limit and a request say together.
fn units(limit: Option<&Value>, request: Option<&Value>) -> Result<Option<i64>, AmountError> {
    let there = |amount: &&Value| !amount.is_null();
    let Some(limit) = limit.filter(there) else {
        return request.filter(there).map_or(Ok(None), |request| Err(AmountError::NoLimit(request.clone())));
    };
    let amount = Quantity::from_json(limit)?;
    if let Some(request) = request.filter(there)
        && Quantity::from_json(request)? != amount
    {
        return Err(AmountError::Unequal { request: request.clone(), limit: limit.clone() });
    }
    match amount.whole() {
        None => Err(AmountError::Fraction(limit.clone())),
        Some(units) if units < 0 => Err(AmountError::Negative(limit.clone())),
        Some(units) => Ok(Some(units)),
    }
}
