//! What becomes of one container.

use std::collections::BTreeMap;

use serde_json::json;
use webhook::Document;
use webhook::patch::PatchError;
use webhook::resources::{Container, ResourceError, asked, list};

use crate::env::{self, Author, Pairs, VariableError};
use crate::mapping::{Kind, Mapping, Mode, Real};
use crate::namespace::{Found, Namespace};

/// How the names of all resources of FPGAs begin.
pub(crate) const PREFIX: &str = "fpga.intel.com/";

/// Functions that may be programmed for one pod. Each is two variables, and no node has as many cards.
pub(crate) const MAX_PROGRAMMED: i64 = 256;

/// Why a container cannot have what it asks for. Resources are without their prefix.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Resource(#[from] ResourceError),
    #[error(transparent)]
    Patch(#[from] PatchError),
    #[error("{PREFIX}{resource} is not known in this namespace, which has {names}")]
    Unknown { resource: String, names: String },
    #[error(
        "{PREFIX}{resource} is not for this namespace, as none of its objects stands for it; ask by one of its names: it has {names}"
    )]
    NotOffered { resource: String, names: String },
    #[error(
        "{PREFIX}{resource} is not for this namespace to program freely: {problem}; ask by one of its names: it has {names}"
    )]
    Variables { resource: String, problem: VariableError, names: String },
    #[error("{PREFIX}{name} cannot be used: {kind} {name} of this namespace is wrong: {reason}")]
    Broken { kind: Kind, name: String, reason: String },
    #[error(
        "{PREFIX}{0} has two meanings, as the namespace has an AcceleratorFunction and an FpgaRegion of this name: rename one"
    )]
    Two(String),
    #[error(
        "{PREFIX}{one} is of mode {ones}, and {PREFIX}{other} of mode {others}: a node is in one mode, so ask for them in different pods"
    )]
    Modes { one: String, ones: Mode, other: String, others: Mode },
    #[error(
        "{PREFIX}{readable} and {PREFIX}{real} cannot be asked for together, as it would not be clear what is programmed: ask for all by readable names"
    )]
    Mixed { readable: String, real: String },
    #[error(
        "{PREFIX}{resource} is asked for {units} times: no more than {MAX_PROGRAMMED} functions are programmed for a pod"
    )]
    TooMany { resource: String, units: i64 },
    #[error("{PREFIX}{0} is asked for more than 2^63-1 times")]
    Overflow(String),
}

impl From<env::Refused> for Refusal {
    fn from(refused: env::Refused) -> Self {
        match refused {
            env::Refused::Shape(error) => Self::Resource(error),
            env::Refused::Patch(error) => Self::Patch(error),
        }
    }
}

/// A container's resources, all of which the namespace knows.
#[derive(Debug, Default)]
struct Asked<'a> {
    /// By readable names, which are in order.
    readable: Vec<(String, i64, &'a Mapping)>,
    /// By the names that nodes have.
    real: Vec<(String, i64, Real)>,
}

/// Changes the container, and gives what its author should know. `programmed` counts the functions of the pod that are
/// programmed for it.
pub(crate) fn change(
    pod: &mut Document,
    container: &Container,
    namespace: &Namespace,
    programmed: &mut i64,
) -> Result<Vec<String>, Refusal> {
    let asked = Asked::of(asked(pod, &container.place, PREFIX)?, namespace)?;
    match asked.mode(namespace)? {
        None => asked.check_real(pod, container, namespace).map(|()| Vec::new()),
        Some(_) => asked.rewrite(pod, container, programmed),
    }
}

impl<'a> Asked<'a> {
    fn of(resources: BTreeMap<String, i64>, namespace: &'a Namespace) -> Result<Self, Refusal> {
        let mut asked = Self::default();
        for (resource, units) in resources {
            let name = resource.strip_prefix(PREFIX).unwrap_or(&resource).to_owned();
            match (Real::of(&name), namespace.get(&name)) {
                (Some(real), found) => {
                    let offered = match real {
                        Real::Function => namespace.offers(&name),
                        Real::Region(interface) => {
                            namespace.has_region(interface) || namespace.programs_some(interface)
                        }
                    };
                    if !offered {
                        return Err(not_offered(name, &found, namespace));
                    }
                    asked.real.push((name, units, real));
                }
                (None, Found::One(_, Ok(mapping))) => asked.readable.push((name, units, mapping)),
                (None, Found::One(kind, Err(reason))) => {
                    return Err(Refusal::Broken { kind, name, reason: reason.clone() });
                }
                (None, Found::Two) => return Err(Refusal::Two(name)),
                (None, Found::Nothing) => {
                    let names = namespace.names(&name);
                    return Err(Refusal::Unknown { resource: name, names });
                }
            }
        }
        Ok(asked)
    }

    /// The mode of what is asked for by readable names, none if nothing is. Nothing else may be of another one.
    fn mode(&self, namespace: &Namespace) -> Result<Option<Mode>, Refusal> {
        let Some((first, _, mapping)) = self.readable.first() else { return Ok(None) };
        let mode = mapping.mode();
        let of_real = |real: &Real| match real {
            Real::Function => Mode::Af,
            Real::Region(interface) if namespace.has_region(*interface) => Mode::RegionDevel,
            Real::Region(_) => Mode::Region,
        };
        let others = self.readable.iter().map(|(name, _, mapping)| (name, mapping.mode()));
        let others = others.chain(self.real.iter().map(|(name, _, real)| (name, of_real(real))));
        for (name, its) in others {
            if its != mode {
                let (one, other) = (first.clone(), name.clone());
                return Err(Refusal::Modes { one, ones: mode, other, others: its });
            }
        }
        match self.real.first() {
            Some((real, ..)) if mode == Mode::Region => {
                Err(Refusal::Mixed { readable: first.clone(), real: real.clone() })
            }
            _ => Ok(Some(mode)),
        }
    }

    /// Without readable names nothing is changed, but who asks for a region with nodes' names must ask for what its
    /// namespace names.
    fn check_real(
        &self,
        pod: &Document,
        container: &Container,
        namespace: &Namespace,
    ) -> Result<(), Refusal> {
        let (mut regions, mut free, mut first) = (BTreeMap::new(), Vec::new(), None);
        for (name, units, real) in &self.real {
            match real {
                Real::Region(interface) if namespace.has_region(*interface) => free.push(*interface),
                Real::Region(interface) => {
                    first = first.or(Some(name));
                    regions.insert(*interface, *units);
                }
                Real::Function => {}
            }
        }
        let Some(name) = first else { return Ok(()) };
        let variables = list(pod, &container.place.key("env"))?;
        let author = Author::read(variables);
        author.and_then(|author| author.check(&regions, &free, namespace)).map_err(|problem| {
            Refusal::Variables { resource: name.clone(), problem, names: namespace.names("") }
        })
    }

    /// Puts the nodes' names in place of the readable ones, and says in variables what is to be programmed.
    fn rewrite(
        self,
        pod: &mut Document,
        container: &Container,
        programmed: &mut i64,
    ) -> Result<Vec<String>, Refusal> {
        let places = ["limits", "requests"].map(|kind| container.place.key("resources").key(kind));
        let (mut totals, mut pairs) = (BTreeMap::new(), Pairs::default());
        let real: BTreeMap<&String, i64> = self.real.iter().map(|(name, units, _)| (name, *units)).collect();
        for (name, units, mapping) in &self.readable {
            let target = mapping.target();
            let before = real.get(&target).copied().unwrap_or_default();
            let total: &mut i64 = totals.entry(target).or_insert(before);
            *total = total.checked_add(*units).ok_or_else(|| Refusal::Overflow(name.clone()))?;
            if let Mapping::Programmed { interface, function } = mapping {
                *programmed = programmed.saturating_add(*units);
                if *programmed > MAX_PROGRAMMED {
                    return Err(Refusal::TooMany { resource: name.clone(), units: *units });
                }
                (0..*units).for_each(|_| pairs.push(*interface, function));
            }
            for place in &places {
                pod.remove(place, &format!("{PREFIX}{name}"));
            }
        }
        for (target, total) in totals {
            for place in &places {
                pod.set(&place.key(&format!("{PREFIX}{target}")), json!(total.to_string()))?;
            }
        }
        let gone = env::replace(pod, &container.place, pairs)?;
        let warning = |name| {
            format!(
                "container {:?}: {name} is removed: what begins like it is set by the FPGA webhook",
                container.name
            )
        };
        Ok(gone.into_iter().map(warning).collect())
    }
}

/// Why a name that nodes have is not for the namespace.
fn not_offered(name: String, found: &Found<'_>, namespace: &Namespace) -> Refusal {
    match found {
        Found::One(kind, Err(reason)) => Refusal::Broken { kind: *kind, name, reason: reason.clone() },
        _ => Refusal::NotOffered { names: namespace.names(&name), resource: name },
    }
}
