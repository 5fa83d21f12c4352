//! Server-side apply of objects of any kind.

use serde_json::Value;

use crate::Kubernetes;

impl Kubernetes {
    /// Applies an object as `kubectl apply --server-side --validate=strict` does, or gives what the API server says against it: unknown
    /// fields are errors. Unless it is to be kept, all of this is done but that; it takes the object's namespace and definition.
    pub fn apply(&self, object: &Value, keep: bool) -> Result<Value, String> {
        let path = self.path(object)?;
        let dry_run = if keep { "" } else { "&dryRun=All" };
        let path = format!("{path}?fieldManager=test&fieldValidation=Strict&force=true{dry_run}");
        self.ask("APPLY", &path, Some(object))
    }

    /// Where an object is, by what the API server says of its kind. One without a namespace is in `default`.
    fn path(&self, object: &Value) -> Result<String, String> {
        let text = |path: &str| {
            object.pointer(path).and_then(Value::as_str).ok_or_else(|| format!("no {path} in {object}"))
        };
        let [version, kind, name] = [text("/apiVersion")?, text("/kind")?, text("/metadata/name")?];
        let folder = if version.contains('/') { "apis" } else { "api" };
        let api = format!("/{folder}/{version}");
        let known = self.ask("GET", &api, None).map_err(|error| format!("{version}: {error}"))?;
        let resources = known.get("resources").and_then(Value::as_array).into_iter().flatten();
        // Parts of objects, such as their status, have a kind, too.
        let mut plurals = resources.filter(|one| one.get("kind") == object.get("kind")).filter_map(|one| {
            Some((one.get("name")?.as_str().filter(|name| !name.contains('/'))?, one.get("namespaced")?))
        });
        let (plural, namespaced) = plurals.next().ok_or_else(|| format!("{version} has no {kind}"))?;
        if *namespaced == Value::Bool(true) {
            let namespace = text("/metadata/namespace").unwrap_or("default");
            Ok(format!("{api}/namespaces/{namespace}/{plural}/{name}"))
        } else {
            Ok(format!("{api}/{plural}/{name}"))
        }
    }
}
