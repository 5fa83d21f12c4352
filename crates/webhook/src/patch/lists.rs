//! Changes of the elements of a list.

use serde_json::Value;

use super::{Document, Operation, PatchError, Pointer};

impl Document {
    /// Puts values before all others of a list, in their order. A list that is missing is made, and the maps on the way to it.
    pub fn put_first(&mut self, list: &Pointer, values: Vec<Value>) -> Result<(), PatchError> {
        match list.place(&mut self.value) {
            _ if values.is_empty() => Ok(()),
            None | Some(Value::Null) => self.set(list, Value::Array(values)),
            Some(Value::Array(elements)) => {
                let operations = values.iter().enumerate();
                self.patch.0.extend(operations.map(|(number, value)| Operation::Add {
                    path: list.index(number),
                    value: value.clone(),
                }));
                elements.splice(0..0, values);
                Ok(())
            }
            Some(_) => Err(PatchError::NotAList(list.clone())),
        }
    }

    /// Keeps only the elements of a list that are wanted. What is no list is left alone.
    pub fn retain(&mut self, list: &Pointer, mut is_wanted: impl FnMut(&Value) -> bool) {
        let Some(Value::Array(elements)) = list.place(&mut self.value) else { return };
        let mut number = 0;
        elements.retain(|element| {
            let stays = is_wanted(element);
            if stays {
                number += 1;
            } else {
                // Those before it that go are gone by then.
                self.patch.0.push(Operation::Remove { path: list.index(number) });
            }
            stays
        });
    }
}
