//! The objects of the API server, by collection and name, with the rules of optimistic concurrency.

use std::collections::BTreeMap;

use serde_json::{Value, json};

#[derive(Default)]
pub(super) struct Store {
    objects: BTreeMap<(String, String), Value>,
    version: u64,
    /// What watches were told, by version, collection and name.
    events: Vec<(u64, String, String, String)>,
}

/// Why something is not written, as in a `Status`.
pub(super) struct Reason {
    pub(super) code: u16,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

fn refused(code: u16, reason: &'static str, message: &dyn ToString) -> Reason {
    Reason { code, reason, message: message.to_string() }
}

impl Store {
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn get(&self, collection: &str, name: &str) -> Option<Value> {
        self.objects.get(&(collection.to_owned(), name.to_owned())).cloned()
    }

    pub(super) fn put(&mut self, collection: &str, name: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["name"] = json!(name);
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert((collection.to_owned(), name.to_owned()), object.clone());
        object
    }

    pub(super) fn delete(&mut self, collection: &str, name: &str) -> Option<Value> {
        let mut gone = self.objects.remove(&(collection.to_owned(), name.to_owned()))?;
        self.version += 1;
        gone["metadata"]["resourceVersion"] = json!(self.version.to_string());
        Some(gone)
    }

    pub(super) fn create(&mut self, collection: &str, name: &str, body: &[u8]) -> Result<Value, Reason> {
        if self.get(collection, name).is_some() {
            return Err(refused(409, "AlreadyExists", &"already exists"));
        }
        let object = serde_json::from_slice(body).map_err(|error| refused(400, "BadRequest", &error))?;
        Ok(self.put(collection, name, object))
    }

    pub(super) fn update(&mut self, collection: &str, name: &str, body: &[u8]) -> Result<Value, Reason> {
        let old = self.get(collection, name).ok_or_else(|| refused(404, "NotFound", &"not found"))?;
        let object: Value =
            serde_json::from_slice(body).map_err(|error| refused(400, "BadRequest", &error))?;
        if object["metadata"]["resourceVersion"] != old["metadata"]["resourceVersion"] {
            return Err(refused(409, "Conflict", &"the object has been modified"));
        }
        Ok(self.put(collection, name, object))
    }

    pub(super) fn patch(&mut self, collection: &str, name: &str, body: &[u8]) -> Result<Value, Reason> {
        let mut object = self.get(collection, name).ok_or_else(|| refused(404, "NotFound", &"not found"))?;
        let patch: json_patch::Patch =
            serde_json::from_slice(body).map_err(|error| refused(400, "BadRequest", &error))?;
        json_patch::patch(&mut object, &patch).map_err(|error| refused(422, "Invalid", &error))?;
        Ok(self.put(collection, name, object))
    }

    pub(super) fn remember(&mut self, collection: &str, name: &str, event: &str) {
        self.events.push((self.version, collection.to_owned(), name.to_owned(), event.to_owned()));
    }

    pub(super) fn events_after(&self, version: u64, collection: &str, name: &str) -> Vec<String> {
        let later = self
            .events
            .iter()
            .filter(|(at, of, called, _)| *at > version && of == collection && called == name);
        later.map(|(.., event)| event.clone()).collect()
    }
}
