//! The table of all namespaces, which one task writes and many threads read.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::mapping::{Kind, Object, Real};
use crate::namespace::{Meaning, Namespace};

/// Objects of one kind that a namespace may have. Others are not read, and the log says so.
pub const MAX_IN_NAMESPACE: usize = 1000;

/// Objects that all namespaces together may have.
pub const MAX_OBJECTS: usize = 100_000;

/// Lines of the log about one list.
const MAX_LINES: usize = 20;

/// What readable names mean, in all namespaces. Clones are the same table.
#[derive(Clone, Debug, Default)]
pub struct Mappings(Arc<RwLock<Table>>);

#[derive(Debug, Default)]
struct Table {
    /// None of them is empty.
    namespaces: HashMap<String, Arc<Namespace>>,
    /// Objects in all of them.
    stored: usize,
    functions_listed: bool,
    regions_listed: bool,
}

/// An object as the table has it.
struct Entry {
    namespace: String,
    name: String,
    meaning: Meaning,
}

impl Mappings {
    /// Takes an object in, in place of the one of its kind and name.
    pub fn apply<O: Object>(&self, object: &O) {
        let entry = Entry::of(object);
        let line = self.write().insert(O::KIND, entry);
        if let Some(line) = line {
            tracing::warn!("{line}");
        }
    }

    /// Forgets an object.
    pub fn delete<O: Object>(&self, object: &O) {
        let entry = Entry::of(object);
        self.write().remove(O::KIND, &entry.namespace, &entry.name);
    }

    /// Has these objects in place of all of their kind, at once.
    pub fn replace<O: Object>(&self, objects: impl IntoIterator<Item = O>) {
        let entries: Vec<Entry> = objects.into_iter().map(|object| Entry::of(&object)).collect();
        let lines = self.write().replace(O::KIND, entries);
        for line in lines.iter().take(MAX_LINES) {
            tracing::warn!("{line}");
        }
        if let Some(more) = lines.len().checked_sub(MAX_LINES).filter(|more| *more > 0) {
            tracing::warn!("so are {more} more {}s", O::KIND);
        }
    }

    /// Whether all objects were listed once; if not, which kinds are missing.
    pub fn ready(&self) -> Result<(), String> {
        let table = self.read();
        let kinds =
            [(table.functions_listed, Kind::AcceleratorFunction), (table.regions_listed, Kind::FpgaRegion)];
        let missing: Vec<String> =
            kinds.iter().filter(|(listed, _)| !listed).map(|(_, kind)| format!("{kind}s")).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{} are not read yet", missing.join(" and "))) }
    }

    /// The number of namespaces that have objects.
    pub fn namespaces(&self) -> usize {
        self.read().namespaces.len()
    }

    /// The number of objects.
    pub fn objects(&self) -> usize {
        self.read().stored
    }

    /// A namespace as it is now.
    pub(crate) fn namespace(&self, name: &str) -> Arc<Namespace> {
        self.read().namespaces.get(name).cloned().unwrap_or_default()
    }

    // A thread that panics leaves the table as whole as it was: every change is a few insertions.
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn of<O: Object>(object: &O) -> Self {
        let meta = object.meta();
        let name = meta.name.clone().unwrap_or_default();
        let meaning = object.mapping().and_then(|mapping| {
            if Real::of(&name).is_some() && mapping.target() != name {
                return Err("it has the name of a resource that nodes offer: give it another".to_owned());
            }
            Ok(mapping)
        });
        Self { namespace: meta.namespace.clone().unwrap_or_default(), name, meaning }
    }
}

impl Table {
    /// The line for the log, if there is news that somebody has to act upon.
    fn insert(&mut self, kind: Kind, entry: Entry) -> Option<String> {
        let Entry { namespace, name, meaning } = entry;
        let objects = Arc::make_mut(self.namespaces.entry(namespace.clone()).or_default()).objects(kind);
        let is_new = !objects.contains_key(&name);
        if is_new && (objects.len() >= MAX_IN_NAMESPACE || self.stored >= MAX_OBJECTS) {
            self.drop_if_empty(&namespace);
            return Some(format!(
                "{kind} {name} of namespace {namespace} is left out: no more than {MAX_IN_NAMESPACE} of a namespace and {MAX_OBJECTS} in all are read"
            ));
        }
        let line = meaning
            .as_ref()
            .err()
            .map(|reason| format!("{kind} {name} of namespace {namespace} cannot be used: {reason}"));
        let before = objects.insert(name, meaning.clone());
        self.stored += usize::from(is_new);
        line.filter(|_| before != Some(meaning))
    }

    fn remove(&mut self, kind: Kind, namespace: &str, name: &str) {
        if let Some(its) = self.namespaces.get_mut(namespace)
            && Arc::make_mut(its).objects(kind).remove(name).is_some()
        {
            self.stored -= 1;
            self.drop_if_empty(namespace);
        }
    }

    /// The lines for the log.
    fn replace(&mut self, kind: Kind, entries: Vec<Entry>) -> Vec<String> {
        let mut gone = HashMap::new();
        for (namespace, its) in &mut self.namespaces {
            let objects = std::mem::take(Arc::make_mut(its).objects(kind));
            self.stored -= objects.len();
            gone.extend(objects.into_iter().map(|(name, meaning)| ((namespace.clone(), name), meaning)));
        }
        let mut lines = Vec::new();
        for entry in entries {
            let is_known = gone.get(&(entry.namespace.clone(), entry.name.clone())) == Some(&entry.meaning);
            lines.extend(self.insert(kind, entry).filter(|_| !is_known));
        }
        self.namespaces.retain(|_, its| !its.is_empty());
        match kind {
            Kind::AcceleratorFunction => self.functions_listed = true,
            Kind::FpgaRegion => self.regions_listed = true,
        }
        lines
    }

    fn drop_if_empty(&mut self, namespace: &str) {
        if self.namespaces.get(namespace).is_some_and(|its| its.is_empty()) {
            self.namespaces.remove(namespace);
        }
    }
}
