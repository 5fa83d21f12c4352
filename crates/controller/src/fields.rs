//! Who owns which fields of an object: its `managedFields`
//! (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>).
//!
//! Server-side apply removes a field that is no longer wanted only if nobody else owns it. What the Go implementation, kubectl or a
//! person has written is owned by them, so their share of the spec becomes ours first, as client-go's csaupgrade has it done.

use serde_json::{Map, Value, json};

use crate::compare::key_of;

/// The name under which the operator writes DaemonSets.
pub(crate) const MANAGER: &str = "intel-device-plugins-operator";

/// Where `kubectl rollout restart` writes. It stays with whoever wrote it, so that a restart is never undone.
const RESTARTED: &str = "f:kubectl.kubernetes.io/restartedAt";
const TEMPLATE_ANNOTATIONS: [&str; 3] = ["f:template", "f:metadata", "f:annotations"];

/// The `managedFields` to have instead of these: with all of the spec ours. None if it already is.
pub(crate) fn take_over(entries: &[Value]) -> Option<Vec<Value>> {
    let mut taken = Map::new();
    let mut kept = Vec::new();
    let mut ours = None;
    for entry in entries {
        if is_ours(entry) {
            ours = Some(entry.clone());
            continue;
        }
        let mut entry = entry.clone();
        if entry.get("subresource").is_none()
            && let Some(fields) = entry.get_mut("fieldsV1").and_then(Value::as_object_mut)
        {
            merge(&mut taken, take_spec(fields));
        }
        let is_empty = entry.get("fieldsV1").and_then(Value::as_object).is_some_and(Map::is_empty);
        if !is_empty {
            kept.push(entry);
        }
    }
    if taken.is_empty() {
        return None;
    }
    let mut ours = ours.unwrap_or_else(|| {
        json!({"manager": MANAGER, "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": {}})
    });
    if let Some(fields) = ours.get_mut("fieldsV1").and_then(Value::as_object_mut) {
        merge(fields, taken);
    }
    kept.push(ours);
    Some(kept)
}

/// Takes what is of the spec out of a set of fields, but for [`RESTARTED`].
fn take_spec(fields: &mut Map<String, Value>) -> Map<String, Value> {
    let Some(mut spec) = fields.remove("f:spec") else { return Map::new() };
    let annotations = TEMPLATE_ANNOTATIONS.iter().try_fold(&mut spec, |fields, name| fields.get_mut(name));
    if let Some(annotations) = annotations.and_then(Value::as_object_mut)
        && let Some(restarted) = annotations.remove(RESTARTED)
    {
        let mut stays = json!({RESTARTED: restarted});
        if let (Some(all), Some(stays)) = (annotations.remove("."), stays.as_object_mut()) {
            stays.insert(".".to_owned(), all);
        }
        let stays = TEMPLATE_ANNOTATIONS.iter().rev().fold(stays, |inside, name| json!({*name: inside}));
        fields.insert("f:spec".to_owned(), stays);
        prune(&mut spec);
    }
    match spec {
        Value::Object(spec) if !spec.is_empty() => Map::from_iter([("f:spec".to_owned(), spec.into())]),
        _ => Map::new(),
    }
}

/// Drops the way to the annotations if there is nothing left at its end.
fn prune(spec: &mut Value) {
    for depth in (0..TEMPLATE_ANNOTATIONS.len()).rev() {
        let (way, last) = TEMPLATE_ANNOTATIONS.split_at(depth);
        let parent = way.iter().try_fold(&mut *spec, |fields, name| fields.get_mut(name));
        if let (Some(Value::Object(parent)), Some(last)) = (parent, last.first())
            && parent.get(*last).and_then(Value::as_object).is_some_and(Map::is_empty)
        {
            parent.remove(*last);
        }
    }
}

/// A set of fields and another one. Sets nest; an empty one is a field itself.
fn merge(into: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, more) in more {
        match (into.get_mut(&name), more) {
            (Some(Value::Object(into)), Value::Object(more)) => merge(into, more),
            (_, more) => {
                into.insert(name, more);
            }
        }
    }
}

fn is_ours(entry: &Value) -> bool {
    entry.get("manager").is_some_and(|manager| manager == MANAGER)
        && entry.get("operation").is_some_and(|operation| operation == "Apply")
        && entry.get("subresource").is_none()
}

/// Whether the operator has applied this object.
pub(crate) fn is_claimed(entries: &[Value]) -> bool {
    entries.iter().any(is_ours)
}

/// A field that is ours and no longer wanted, if there is one.
pub(crate) fn unwanted(entries: &[Value], wanted: &Value) -> Option<String> {
    let ours = entries.iter().find(|entry| is_ours(entry))?;
    let path = unwanted_below(ours.get("fieldsV1")?.as_object()?, wanted)?;
    Some(path.trim_start_matches('.').to_owned())
}

fn unwanted_below(fields: &Map<String, Value>, wanted: &Value) -> Option<String> {
    fields.iter().find_map(|(name, below)| {
        let (kind, text) = name.split_once(':')?;
        let (found, label) = match kind {
            "f" => (wanted.get(text), format!(".{text}")),
            "k" => {
                let keys: Map<String, Value> = serde_json::from_str(text).ok()?;
                let items = wanted.as_array().map(Vec::as_slice).unwrap_or_default();
                let fits =
                    |item: &&Value| keys.iter().all(|(key, value)| key_of(item, key).as_ref() == Some(value));
                (items.iter().find(fits), format!("[{text}]"))
            }
            "v" => {
                let value: Value = serde_json::from_str(text).ok()?;
                let items = wanted.as_array().map(Vec::as_slice).unwrap_or_default();
                (items.iter().find(|item| **item == value), format!("[{text}]"))
            }
            // By its place: lists of this kind are owned as a whole.
            _ => return None,
        };
        let Some(found) = found else {
            // That a list is told apart by a field's default does not make this field wanted.
            return (text != "protocol").then_some(label);
        };
        unwanted_below(below.as_object()?, found).map(|inside| label + &inside)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    fn restarted() -> Value {
        json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {".": {}, RESTARTED: {}}}}}})
    }

    #[test]
    fn the_spec_of_all_others_becomes_ours_and_nothing_else() {
        let mut status =
            entry("kube-controller-manager", "Update", &json!({"f:status": {"f:numberReady": {}}}));
        status["subresource"] = json!("status");
        let metadata = json!({"f:labels": {".": {}, "f:app": {}}});
        let before = [
            entry(
                "intel_deviceplugin_operator",
                "Update",
                &json!({"f:metadata": metadata, "f:spec": {"f:a": {}, "f:b": {"f:c": {}}}}),
            ),
            status.clone(),
            entry("kubectl", "Apply", &json!({"f:spec": {"f:b": {"f:d": {}}}})),
            entry(MANAGER, "Apply", &json!({"f:spec": {"f:e": {}}})),
        ];
        let after = take_over(&before).unwrap();
        let ours = json!({"f:spec": {"f:a": {}, "f:b": {"f:c": {}, "f:d": {}}, "f:e": {}}});
        let expected = [
            entry("intel_deviceplugin_operator", "Update", &json!({"f:metadata": metadata})),
            status,
            entry(MANAGER, "Apply", &ours),
        ];
        assert_eq!(after, expected);
        assert_eq!(take_over(&after), None);
    }

    #[test]
    fn updates_under_our_own_name_become_ours_too() {
        let after = take_over(&[entry(MANAGER, "Update", &json!({"f:spec": {"f:a": {}}}))]).unwrap();
        assert_eq!(after, [entry(MANAGER, "Apply", &json!({"f:spec": {"f:a": {}}}))]);
    }

    #[test]
    fn a_restart_by_kubectl_stays_kubectls() {
        let before = [entry("kubectl-rollout", "Update", &restarted())];
        assert_eq!(take_over(&before), None);

        let mut more = restarted();
        more["f:spec"]["f:template"]["f:metadata"]["f:annotations"]["f:other"] = json!({});
        let after = take_over(&[entry("kubectl-edit", "Update", &more)]).unwrap();
        let ours = json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {"f:other": {}}}}}});
        assert_eq!(after, [entry("kubectl-edit", "Update", &restarted()), entry(MANAGER, "Apply", &ours)]);
    }

    #[test]
    fn without_owners_there_is_nothing_to_take() {
        assert_eq!(take_over(&[]), None);
        assert_eq!(take_over(&[json!({})]), None);
    }

    #[test]
    fn what_is_ours_and_not_wanted_is_named() {
        let wanted = json!({"metadata": {"labels": {"app": "x"}}, "spec": {"args": ["1"], "volumes": [{"name": "a", "hostPath": {"path": "/a"}}],
            "ports": [{"containerPort": 1}]}});
        let fields = json!({"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:args": {},
            "f:volumes": {".": {}, "k:{\"name\":\"a\"}": {".": {}, "f:name": {}, "f:hostPath": {"f:path": {}}}},
            "f:ports": {"k:{\"containerPort\":1,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}, "f:protocol": {}}}}});
        let ours = |fields: Value| {
            [entry("other", "Update", &json!({"f:spec": {"f:z": {}}})), entry(MANAGER, "Apply", &fields)]
        };
        assert_eq!(unwanted(&ours(fields.clone()), &wanted), None);
        for (field, path) in [
            (json!({"f:dnsPolicy": {}}), "spec.dnsPolicy"),
            (json!({"f:volumes": {"k:{\"name\":\"b\"}": {".": {}}}}), "spec.volumes[{\"name\":\"b\"}]"),
            (
                json!({"f:volumes": {"k:{\"name\":\"a\"}": {"f:hostPath": {"f:type": {}}}}}),
                "spec.volumes[{\"name\":\"a\"}].hostPath.type",
            ),
            (json!({"f:finalizers": {"v:\"x\"": {}}}), "spec.finalizers"),
        ] {
            let mut more = fields.as_object().unwrap().clone();
            merge(&mut more, Map::from_iter([("f:spec".to_owned(), field)]));
            assert_eq!(unwanted(&ours(more.into()), &wanted).as_deref(), Some(path));
        }
    }
}
