//! The variables `FPGA_REGION_<n>` and `FPGA_AFU_<n>` of a container, by which the hook on the node knows what to program.

use std::collections::BTreeMap;

use fpga_bitstream::{Id, Name};
use serde_json::{Value, json};
use webhook::patch::PatchError;
use webhook::resources::{ResourceError, list};
use webhook::{Document, Pointer};

use crate::namespace::Namespace;

const REGION: &str = "FPGA_REGION_";
const FUNCTION: &str = "FPGA_AFU_";

/// What begins like these is the webhook's, in containers with functions of ours.
const RESERVED: [&str; 2] = ["FPGA_REGION", "FPGA_AFU"];

/// Of a text of the author's, a message shows so many characters.
const MAX_SHOWN: usize = 60;

/// Why the variables of a container that asks for regions do not say what it may have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VariableError {
    #[error("{0} is set from elsewhere (valueFrom): write its value")]
    NotLiteral(String),
    #[error("{0} is set twice")]
    Twice(String),
    #[error("{0} is none of FPGA_REGION_1, FPGA_AFU_1, FPGA_REGION_2, …")]
    Unknown(String),
    #[error("{REGION}{0} is missing")]
    NoRegion(usize),
    #[error("{FUNCTION}{0} is missing")]
    NoFunction(usize),
    #[error("{REGION}{number} is {value:?}, which is no region that the container asks for")]
    OtherRegion { number: usize, value: String },
    #[error(
        "{FUNCTION}{number} is {value:?}, which no AcceleratorFunction of mode region in the namespace allows for that region"
    )]
    OtherFunction { number: usize, value: String },
    #[error("limits have {units} of region-{interface}, and {pairs} of the variables {REGION}<n> name it")]
    Count { interface: Id, units: i64, pairs: i64 },
}

/// What is to be programmed, in the order of the numbers.
#[derive(Debug, Default)]
pub(crate) struct Pairs(Vec<Value>);

impl Pairs {
    /// Adds a pair of variables.
    pub(crate) fn push(&mut self, interface: Id, function: &Name) {
        let number = self.0.len() / 2 + 1;
        self.0.push(json!({ "name": format!("{REGION}{number}"), "value": interface.to_string() }));
        self.0.push(json!({ "name": format!("{FUNCTION}{number}"), "value": function.to_string() }));
    }
}

/// Replaces all reserved variables by these, which come first so that the author's can refer to them. Gives the names of
/// those that went.
pub(crate) fn replace(pod: &mut Document, container: &Pointer, pairs: Pairs) -> Result<Vec<String>, Refused> {
    let place = container.key("env");
    list(pod, &place)?;
    let mut gone = Vec::new();
    pod.retain(&place, |variable| {
        let reserved = reserved(variable);
        gone.extend(reserved.map(shown));
        reserved.is_none()
    });
    pod.put_first(&place, pairs.0)?;
    Ok(gone)
}

/// Why the variables cannot be changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Shape(#[from] ResourceError),
    #[error(transparent)]
    Patch(#[from] PatchError),
}

/// The reserved variables of a container, which have to be whole pairs with the numbers 1, 2, ….
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Author<'a> {
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Author<'a> {
    pub(crate) fn read(variables: &'a [Value]) -> Result<Self, VariableError> {
        let (mut regions, mut functions) = (BTreeMap::new(), BTreeMap::new());
        for variable in variables {
            let Some(name) = reserved(variable) else { continue };
            let unknown = || VariableError::Unknown(shown(name));
            let (numbered, digits) = match (name.strip_prefix(REGION), name.strip_prefix(FUNCTION)) {
                (Some(digits), _) => (&mut regions, digits),
                (_, Some(digits)) => (&mut functions, digits),
                _ => return Err(unknown()),
            };
            // In the one way that we write it: the hook takes 01 for 1, and a second variable would win over the first.
            let number =
                digits.parse().ok().filter(|number: &usize| *number > 0 && number.to_string() == digits);
            let number = number.ok_or_else(unknown)?;
            if variable.get("valueFrom").is_some_and(|from| !from.is_null()) {
                return Err(VariableError::NotLiteral(shown(name)));
            }
            let value = variable.get("value").and_then(Value::as_str).unwrap_or_default();
            if numbered.insert(number, value).is_some() {
                return Err(VariableError::Twice(shown(name)));
            }
        }
        let pair = |number| {
            let region = regions.get(&number).ok_or(VariableError::NoRegion(number))?;
            let function = functions.get(&number).ok_or(VariableError::NoFunction(number))?;
            Ok((*region, *function))
        };
        let pairs: Result<_, _> = (1..=regions.len().max(functions.len())).map(pair).collect();
        Ok(Self { pairs: pairs? })
    }

    /// Checks that there is one pair for each unit of these regions, and that the namespace names the function. With `free`
    /// regions, which the container asks for too, it may do everything.
    pub(crate) fn check(
        &self,
        regions: &BTreeMap<Id, i64>,
        free: &[Id],
        namespace: &Namespace,
    ) -> Result<(), VariableError> {
        let mut left = regions.clone();
        for (number, (region, function)) in (1..).zip(&self.pairs) {
            let is = |id: &Id| id.to_string() == *region;
            if let Some((interface, left)) = left.iter_mut().find(|(id, _)| is(id)) {
                if !namespace.programs(*interface, function) {
                    return Err(VariableError::OtherFunction { number, value: shown(function) });
                }
                *left -= 1;
            } else if !free.iter().any(is) {
                return Err(VariableError::OtherRegion { number, value: shown(region) });
            }
        }
        match left.into_iter().find(|(_, left)| *left != 0) {
            None => Ok(()),
            Some((interface, left)) => {
                let units = regions.get(&interface).copied().unwrap_or_default();
                Err(VariableError::Count { interface, units, pairs: units - left })
            }
        }
    }
}

/// The name of a variable that is not the author's to set.
fn reserved(variable: &Value) -> Option<&str> {
    let name = variable.get("name").and_then(Value::as_str)?;
    RESERVED.iter().any(|reserved| name.starts_with(reserved)).then_some(name)
}

fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}
