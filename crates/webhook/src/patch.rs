//! JSON patches (RFC 6902) that say what was changed, and nothing else.
//!
//! A [`Document`] is changed by name, and keeps account of each change. There is no comparison of two documents, so what no
//! change names is in no operation.

mod lists;

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// A place in a document: a JSON pointer (RFC 6901).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Pointer(String);

impl Pointer {
    /// The whole document.
    pub fn root() -> Self {
        Self::default()
    }

    /// The member of this name, which may have any characters.
    pub fn key(&self, name: &str) -> Self {
        let mut path = String::with_capacity(self.0.len() + name.len() + 2);
        path.push_str(&self.0);
        path.push('/');
        for character in name.chars() {
            match character {
                '~' => path.push_str("~0"),
                '/' => path.push_str("~1"),
                other => path.push(other),
            }
        }
        Self(path)
    }

    /// The element of this number, from 0.
    pub fn index(&self, number: usize) -> Self {
        Self(format!("{}/{number}", self.0))
    }

    /// The names and numbers on the way from the root, as they are in the document, and where each ends in the pointer.
    fn steps(&self) -> impl Iterator<Item = (Cow<'_, str>, usize)> {
        let mut end = 0;
        self.0.split('/').skip(1).map(move |step| {
            end += 1 + step.len();
            let name = if step.contains('~') {
                Cow::Owned(step.replace("~1", "/").replace("~0", "~"))
            } else {
                Cow::Borrowed(step)
            };
            (name, end)
        })
    }

    /// What is there in a document.
    fn place<'a>(&self, document: &'a mut Value) -> Option<&'a mut Value> {
        self.steps().try_fold(document, |place, (step, _)| match place {
            Value::Object(map) => map.get_mut(&*step),
            Value::Array(list) => list.get_mut(number(&step)?),
            _ => None,
        })
    }

    /// The pointer up to one of the ends of its steps.
    fn up_to(&self, end: usize) -> Self {
        Self(self.0.get(..end).unwrap_or_default().to_owned())
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "the document" } else { &self.0 })
    }
}

/// One operation of a patch. The API server applies them in order.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    /// A new member, or a new element before the one of this number; all that is above it is there.
    Add {
        /// Where.
        path: Pointer,
        /// What.
        value: Value,
    },
    /// Another value in the place of one that is there.
    Replace {
        /// Where.
        path: Pointer,
        /// What.
        value: Value,
    },
    /// What is there goes; elements of a list after it move up.
    Remove {
        /// Where.
        path: Pointer,
    },
}

/// Operations, in the order in which they apply. Its JSON is a JSON patch.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Patch(Vec<Operation>);

impl Patch {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The operations, in order.
    pub fn operations(&self) -> &[Operation] {
        &self.0
    }
}

/// A change that does not fit the document's shape.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// A text or number stands where something has to be inside.
    #[error("{0} is neither a map nor a list")]
    NotAContainer(Pointer),
    /// An element is asked for that the list does not have.
    #[error("{0} is no element of its list")]
    NoElement(Pointer),
    /// Something else stands where a list has to be.
    #[error("{0} is not a list")]
    NotAList(Pointer),
}

/// A document, and what was changed in it so far.
///
/// A member that is `null` counts as missing, as for the Kubernetes API.
#[derive(Debug)]
pub struct Document {
    value: Value,
    patch: Patch,
}

impl Document {
    /// A document without changes.
    pub fn new(value: Value) -> Self {
        Self { value, patch: Patch::default() }
    }

    /// The document with all changes so far.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// What is there now.
    pub fn get(&self, at: &Pointer) -> Option<&Value> {
        let place = at.steps().try_fold(&self.value, |place, (step, _)| match place {
            Value::Object(map) => map.get(&*step),
            Value::Array(list) => list.get(number(&step)?),
            _ => None,
        });
        place.filter(|value| !value.is_null())
    }

    /// Puts a value in its place, whatever was there. Maps that are missing on the way are made, in the same operation. What
    /// has the value already is left alone.
    pub fn set(&mut self, at: &Pointer, value: Value) -> Result<(), PatchError> {
        let mut place = &mut self.value;
        let (mut steps, mut parent) = (at.steps(), 0);
        while let Some((step, end)) = steps.next() {
            place = match place {
                Value::Object(map) if map.get(&*step).is_none_or(Value::is_null) => {
                    let value = nested(steps, value);
                    map.insert(step.into_owned(), value.clone());
                    self.patch.0.push(Operation::Add { path: at.up_to(end), value });
                    return Ok(());
                }
                Value::Object(map) => map.get_mut(&*step),
                Value::Array(list) => number(&step).and_then(|number| list.get_mut(number)),
                _ => return Err(PatchError::NotAContainer(at.up_to(parent))),
            }
            .ok_or_else(|| PatchError::NoElement(at.up_to(end)))?;
            parent = end;
        }
        if *place != value {
            place.clone_from(&value);
            self.patch.0.push(Operation::Replace { path: at.clone(), value });
        }
        Ok(())
    }

    /// Puts a value at the end of a list. A list that is missing is made, and the maps on the way to it.
    pub fn push(&mut self, list: &Pointer, value: Value) -> Result<(), PatchError> {
        match list.place(&mut self.value) {
            None | Some(Value::Null) => self.set(list, Value::Array(vec![value])),
            Some(Value::Array(elements)) => {
                let path = list.index(elements.len());
                elements.push(value.clone());
                self.patch.0.push(Operation::Add { path, value });
                Ok(())
            }
            Some(_) => Err(PatchError::NotAList(list.clone())),
        }
    }

    /// Removes a member of a map. What is not there is left alone, and so is what is in no map.
    pub fn remove(&mut self, map: &Pointer, key: &str) {
        if let Some(Value::Object(members)) = map.place(&mut self.value)
            && members.remove(key).is_some()
        {
            self.patch.0.push(Operation::Remove { path: map.key(key) });
        }
    }

    /// All changes.
    pub fn into_patch(self) -> Patch {
        self.patch
    }
}

/// The value inside of one new map for each step.
fn nested<'a>(steps: impl Iterator<Item = (Cow<'a, str>, usize)>, value: Value) -> Value {
    let steps: Vec<String> = steps.map(|(step, _)| step.into_owned()).collect();
    steps.into_iter().rfold(value, |inner, step| Value::Object(Map::from_iter([(step, inner)])))
}

/// The number of an element, in the one way that RFC 6901 has to write it.
fn number(step: &str) -> Option<usize> {
    step.parse().ok().filter(|number: &usize| number.to_string() == step)
}
