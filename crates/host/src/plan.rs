//! Writes that belong together: shown before they are made, made in order, and undone when one fails.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::{Host, HostError, PciAddress, PciFunction};

/// How many writes that could not be undone a message names: the first is the cause of the others as a rule.
const SHOWN: usize = 3;

/// What is to be written, in this order. Empty when the node is already as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    steps: Vec<Step>,
}

/// One write to an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The attribute.
    pub path: PathBuf,
    /// What is written.
    pub value: String,
    /// What it holds now, where that is known and says something.
    pub was: Option<String>,
    /// The writes that undo this one, in this order. None: it cannot be undone.
    pub undo: Vec<(PathBuf, String)>,
}

/// A step that failed, and what became of those before it.
#[derive(Debug, thiserror::Error)]
#[error("step {number} of {of} failed, {outcome}: cannot write {value:?} to {}", source.path.display())]
pub struct PlanError {
    /// Counted from 1.
    pub number: usize,
    /// How many steps there are.
    pub of: usize,
    /// What was written.
    pub value: String,
    /// Whether the steps before it were undone.
    pub outcome: Outcome,
    /// Why it failed.
    #[source]
    pub source: HostError,
}

/// What became of the steps before one that failed.
#[derive(Debug)]
pub enum Outcome {
    /// There were none.
    Nothing,
    /// All were undone.
    Undone,
    /// These writes that were to undo them failed too, or there are none that could.
    Left(Vec<String>),
}

impl Plan {
    /// Writes `value`, whatever the attribute holds; `undo` is the write that undoes it.
    pub fn write(
        &mut self,
        path: impl Into<PathBuf>,
        value: impl Into<String>,
        undo: Option<(PathBuf, String)>,
    ) {
        let undo = undo.into_iter().collect();
        self.steps.push(Step { path: path.into(), value: value.into(), was: None, undo });
    }

    /// What undoes the last step is followed by these writes: it takes away more than the attribute's value.
    pub fn undo_also(&mut self, undo: Self) {
        if let Some(step) = self.steps.last_mut() {
            step.undo.extend(undo.steps.into_iter().map(|step| (step.path, step.value)));
        }
    }

    /// Makes the attribute hold `value`, if it does not yet; it is undone by writing what it held. True: there is
    /// something to do.
    pub fn set(
        &mut self,
        host: &Host,
        path: impl Into<PathBuf>,
        value: impl Into<String>,
    ) -> Result<bool, HostError> {
        let (path, value) = (path.into(), value.into());
        let was = host.read(&path)?;
        if was == value.trim() {
            return Ok(false);
        }
        let undo = vec![(path.clone(), was.clone())];
        self.steps.push(Step { path, value, was: Some(was), undo });
        Ok(true)
    }

    /// Binds a PCI function to `driver`, whether the driver knows its kind or not (`driver_override`, since Linux 3.16,
    /// `Documentation/ABI/testing/sysfs-bus-pci`), and from the driver that it has now. Undone, it is bound as before.
    /// True: there is something to do.
    pub fn bind(&mut self, function: &PciFunction, driver: &str) -> Result<bool, HostError> {
        let bound = function.driver()?;
        if bound.as_deref() == Some(driver) {
            return Ok(false);
        }
        let address = function.address();
        if let Some(bound) = bound {
            let (bind, unbind) = bind_files(&bound);
            self.write(unbind, address.to_string(), Some((bind, address.to_string())));
        }
        let former = function.driver_override()?;
        if former.as_deref() != Some(driver) {
            self.override_driver(address, driver, former.unwrap_or_default());
        }
        self.bind_unbound(address, driver);
        Ok(true)
    }

    /// As [`bind`](Self::bind), for a function that steps before make and that will have no driver.
    pub fn bind_new(&mut self, address: PciAddress, driver: &str) {
        self.override_driver(address, driver, String::new());
        self.bind_unbound(address, driver);
    }

    fn override_driver(&mut self, address: PciAddress, driver: &str, former: String) {
        let path = PathBuf::from(format!("/sys/bus/pci/devices/{address}/driver_override"));
        self.write(path.clone(), driver, Some((path, former)));
    }

    fn bind_unbound(&mut self, address: PciAddress, driver: &str) {
        let (bind, unbind) = bind_files(driver);
        self.write(bind, address.to_string(), Some((unbind, address.to_string())));
    }

    /// Adds the steps of another plan after these.
    pub fn extend(&mut self, other: Self) {
        self.steps.extend(other.steps);
    }

    /// The steps in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Nothing has to be changed.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Makes the writes; `before` is told of each. When one fails, those before it are undone, the last first.
    pub fn apply(&self, host: &Host, mut before: impl FnMut(&Step)) -> Result<(), PlanError> {
        for (index, step) in self.steps.iter().enumerate() {
            before(step);
            if let Err(source) = host.write(&step.path, &step.value) {
                let done = self.steps.get(..index).unwrap_or_default();
                let (number, of, value) = (index + 1, self.steps.len(), step.value.clone());
                return Err(PlanError { number, of, value, outcome: undo(host, done), source });
            }
        }
        Ok(())
    }
}

fn bind_files(driver: &str) -> (PathBuf, PathBuf) {
    let folder = Path::new("/sys/bus/pci/drivers").join(driver);
    (folder.join("bind"), folder.join("unbind"))
}

fn undo(host: &Host, done: &[Step]) -> Outcome {
    if done.is_empty() {
        return Outcome::Nothing;
    }
    let mut left = Vec::new();
    for step in done.iter().rev() {
        if step.undo.is_empty() {
            left.push(format!("{} keeps {:?}", step.path.display(), step.value));
        }
        for (path, value) in &step.undo {
            // An empty write is no write: the kernel would not hear of it.
            let value = if value.is_empty() { "\n" } else { value };
            if let Err(error) = host.write(path, value) {
                left.push(format!("{error}: {}", error.source));
            }
        }
    }
    if left.is_empty() { Outcome::Undone } else { Outcome::Left(left) }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing was changed"),
            Self::Undone => f.write_str("the steps before it were undone"),
            Self::Left(left) => {
                let shown = left.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
                write!(f, "the steps before it were not all undone ({shown}")?;
                match left.len().saturating_sub(SHOWN) {
                    0 => f.write_str(")"),
                    more => write!(f, "; and {more} more)"),
                }
            }
        }
    }
}

/// `PATH = VALUE (now OTHER)`
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.path.display(), self.value.trim_end())?;
        match &self.was {
            Some(was) => write!(f, " (now {})", if was.is_empty() { "empty" } else { was }),
            None => Ok(()),
        }
    }
}

/// A line a step.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

#[cfg(test)]
mod tests;
