//! Server-side apply, as far as DaemonSets need it: <https://kubernetes.io/docs/reference/using-api/server-side-apply/>. What it does to
//! real objects was compared with Kubernetes 1.36.

use serde_json::{Map, Value, json};

/// The lists whose items have keys.
const KEYS: [(&str, &[&str]); 8] = [
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("volumes", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("env", &["name"]),
    ("ports", &["containerPort", "protocol"]),
    ("imagePullSecrets", &["name"]),
    ("ownerReferences", &["uid"]),
];

/// The maps that are owned and replaced as a whole.
const ATOMIC: [&str; 3] = ["selector", "nodeSelector", "fieldRef"];

fn keys(field: &str) -> Option<&'static [&'static str]> {
    KEYS.iter().find(|(list, _)| *list == field).map(|(_, keys)| *keys)
}

fn key(keys: &[&str], item: &Value) -> String {
    let values = keys.iter().map(|key| {
        let default = if *key == "protocol" { json!("TCP") } else { Value::Null };
        ((*key).to_owned(), item.get(key).cloned().unwrap_or(default))
    });
    format!("k:{}", Value::Object(values.collect()))
}

/// The fields of what is applied, as `fieldsV1`.
pub(super) fn fields(field: &str, value: &Value) -> Value {
    match value {
        Value::Object(map) if !map.is_empty() && !ATOMIC.contains(&field) => {
            map.iter().map(|(name, value)| (format!("f:{name}"), fields(name, value))).collect()
        }
        Value::Array(items) => match keys(field) {
            Some(keys) => items
                .iter()
                .map(|item| {
                    let mut inside = fields("", item);
                    inside["."] = json!({});
                    (key(keys, item), inside)
                })
                .collect(),
            None => json!({}),
        },
        _ => json!({}),
    }
}

/// The fields of `after` that are not as they were.
pub(super) fn changed(field: &str, before: &Value, after: &Value) -> Value {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) if !ATOMIC.contains(&field) => after
            .iter()
            .filter(|(name, value)| before.get(*name) != Some(*value))
            .map(|(name, value)| {
                (format!("f:{name}"), changed(name, before.get(name).unwrap_or(&Value::Null), value))
            })
            .collect(),
        (Value::Array(before), Value::Array(after)) if keys(field).is_some() => {
            let of = |item: &Value| key(keys(field).unwrap(), item);
            let old = |item: &Value| before.iter().find(|old| of(old) == of(item));
            let other = after.iter().filter(|item| !before.contains(item));
            other
                .map(|item| {
                    (of(item), old(item).map_or_else(|| fields("", item), |old| changed("", old, item)))
                })
                .collect()
        }
        _ => fields(field, after),
    }
}

/// What becomes of a value when `applied` is applied by who owned `owned`, where others own `others`.
pub(super) fn merge(
    field: &str,
    live: Option<&Value>,
    applied: Option<&Value>,
    owned: Option<&Value>,
    others: &[&Value],
) -> Option<Value> {
    match (live, applied) {
        (live, Some(Value::Object(applied))) if !ATOMIC.contains(&field) => {
            let live = live.and_then(Value::as_object).cloned().unwrap_or_default();
            Some(merge_maps(&live, Some(applied), owned, others).into())
        }
        (live, Some(Value::Array(applied))) if keys(field).is_some() => {
            let live = live.and_then(Value::as_array).cloned().unwrap_or_default();
            Some(merge_lists(field, &live, applied, owned, others).into())
        }
        (_, Some(applied)) => Some(applied.clone()),
        (Some(live), None) => match owned {
            None => Some(live.clone()),
            Some(owned) => {
                let rest = match live {
                    Value::Object(map) if has_fields(owned) => {
                        merge_maps(map, None, Some(owned), others).into()
                    }
                    Value::Array(items) if keys(field).is_some() => {
                        merge_lists(field, items, &[], Some(owned), others).into()
                    }
                    _ if others.is_empty() => return None,
                    live => live.clone(),
                };
                let is_empty = rest == json!({}) || rest == json!([]);
                (!is_empty || !others.is_empty()).then_some(rest)
            }
        },
        (None, None) => None,
    }
}

fn has_fields(owned: &Value) -> bool {
    owned.as_object().is_some_and(|owned| owned.keys().any(|name| name.starts_with("f:")))
}

fn merge_maps(
    live: &Map<String, Value>,
    applied: Option<&Map<String, Value>>,
    owned: Option<&Value>,
    others: &[&Value],
) -> Map<String, Value> {
    let mut names: Vec<&String> = live.keys().collect();
    names.extend(applied.into_iter().flat_map(Map::keys));
    names.sort();
    names.dedup();
    let merged = names.into_iter().filter_map(|name| {
        let at = format!("f:{name}");
        let others: Vec<&Value> = others.iter().filter_map(|other| other.get(&at)).collect();
        let applied = applied.and_then(|applied| applied.get(name));
        let owned = owned.and_then(|owned| owned.get(&at));
        Some((name.clone(), merge(name, live.get(name), applied, owned, &others)?))
    });
    merged.collect()
}

fn merge_lists(
    field: &str,
    live: &[Value],
    applied: &[Value],
    owned: Option<&Value>,
    others: &[&Value],
) -> Vec<Value> {
    let keys = keys(field).unwrap();
    let find = |list: &[Value], name: &str| list.iter().find(|item| key(keys, item) == name).cloned();
    // What is applied says the order.
    let mut names: Vec<String> = applied.iter().map(|item| key(keys, item)).collect();
    let rest: Vec<String> =
        live.iter().map(|item| key(keys, item)).filter(|name| !names.contains(name)).collect();
    names.extend(rest);
    let merged = names.iter().filter_map(|name| {
        let others: Vec<&Value> = others.iter().filter_map(|other| other.get(name)).collect();
        let (live, applied) = (find(live, name), find(applied, name));
        merge("", live.as_ref(), applied.as_ref(), owned.and_then(|owned| owned.get(name)), &others)
    });
    merged.collect()
}

/// What the API server adds to each DaemonSet; some of it.
pub(super) fn add_defaults(daemonset: &mut Value) {
    let add = |map: &mut Value, name: &str, value: Value| {
        map.as_object_mut().unwrap().entry(name).or_insert(value);
    };
    let spec = &mut daemonset["spec"];
    add(spec, "revisionHistoryLimit", json!(10));
    let pod = &mut spec["template"]["spec"];
    add(pod, "dnsPolicy", json!("ClusterFirst"));
    add(pod, "schedulerName", json!("default-scheduler"));
    add(pod, "restartPolicy", json!("Always"));
    add(pod, "terminationGracePeriodSeconds", json!(30));
    add(pod, "securityContext", json!({}));
    for container in pod["containers"].as_array_mut().into_iter().flatten() {
        add(container, "terminationMessagePath", json!("/dev/termination-log"));
        add(container, "terminationMessagePolicy", json!("File"));
        add(container, "imagePullPolicy", json!("IfNotPresent"));
        for variable in container["env"].as_array_mut().into_iter().flatten() {
            if variable["valueFrom"]["fieldRef"].is_object() {
                add(&mut variable["valueFrom"]["fieldRef"], "apiVersion", json!("v1"));
            }
        }
    }
    for volume in pod["volumes"].as_array_mut().into_iter().flatten() {
        if volume["hostPath"].is_object() {
            add(&mut volume["hostPath"], "type", json!(""));
        }
    }
}

/// A merge patch: RFC 7386.
pub(super) fn patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().unwrap();
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            self::patch(target.entry(name).or_insert(Value::Null), value);
        }
    }
}
