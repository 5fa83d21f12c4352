//! Whether a live object is as it is wanted, which is not the same as equal: the API server adds defaults to it, and writes
//! quantities in its own way.

use serde_json::{Map, Value};
use webhook::Quantity;

/// Lists whose items are told apart by fields; the API server merges them by these. All others are compared as a whole.
/// They are the `listMapKey` of the API's types: <https://kubernetes.io/docs/reference/using-api/server-side-apply/>.
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
/// Lists of these whose order means nothing.
const UNORDERED: [&str; 3] = ["volumes", "volumeMounts", "imagePullSecrets"];
/// Maps whose values are quantities.
const QUANTITIES: [&str; 2] = ["limits", "requests"];

/// Where the live object is not as it is wanted, if anywhere: `spec.template.spec.volumes`.
pub(crate) fn difference(wanted: &Value, live: &Value) -> Option<String> {
    differs("", wanted, live).map(|path| path.trim_start_matches('.').to_owned())
}

fn differs(field: &str, wanted: &Value, live: &Value) -> Option<String> {
    let inside = match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) if QUANTITIES.contains(&field) => {
            wanted.iter().find_map(|(name, amount)| {
                let same = live.get(name).is_some_and(|live| is_same_amount(amount, live));
                (!same).then(|| format!(".{name}"))
            })
        }
        (Value::Object(wanted), Value::Object(live)) => wanted.iter().find_map(|(name, wanted)| {
            match live.get(name) {
                Some(live) => differs(name, wanted, live),
                // What is empty is left out by the API server.
                None if is_nothing(wanted) => None,
                None => Some(format!(".{name}")),
            }
        }),
        (Value::Array(wanted), Value::Array(live)) => match keys(field) {
            Some(keys) => list_differs(field, keys, wanted, live),
            None if wanted.len() != live.len() => Some(String::new()),
            None => wanted.iter().zip(live).find_map(|(wanted, live)| differs("", wanted, live)),
        },
        _ => (wanted != live).then(String::new),
    };
    inside.map(|inside| if field.is_empty() { inside } else { format!(".{field}{inside}") })
}

fn list_differs(field: &str, keys: &[&str], wanted: &[Value], live: &[Value]) -> Option<String> {
    let mut last = 0;
    wanted.iter().find_map(|wanted| {
        let place = live.iter().position(|live| is_same_item(keys, wanted, live));
        let Some((place, live)) = place.and_then(|place| Some((place, live.get(place)?))) else {
            return Some(label(keys, wanted));
        };
        if place < last && !UNORDERED.contains(&field) {
            return Some(label(keys, wanted));
        }
        last = place;
        differs("", wanted, live).map(|inside| label(keys, wanted) + &inside)
    })
}

fn label(keys: &[&str], item: &Value) -> String {
    let key = keys.first().and_then(|key| item.get(key)).map(ToString::to_string).unwrap_or_default();
    format!("[{}]", key.trim_matches('"'))
}

fn keys(field: &str) -> Option<&'static [&'static str]> {
    KEYS.iter().find(|(list, _)| *list == field).map(|(_, keys)| *keys)
}

pub(crate) fn is_same_item(keys: &[&str], one: &Value, other: &Value) -> bool {
    keys.iter().all(|key| key_of(one, key) == key_of(other, key))
}

/// A field that tells items of a list apart; the one that has a default has it where nothing is said.
pub(crate) fn key_of(item: &Value, key: &str) -> Option<Value> {
    item.get(key).cloned().or_else(|| (key == "protocol").then(|| "TCP".into()))
}

/// What the API server does not tell from nothing. `false` and `0` are no such: many fields are true by default.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn is_same_amount(one: &Value, other: &Value) -> bool {
    match (Quantity::from_json(one), Quantity::from_json(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// Puts lists whose order means nothing in the order of the live object, with what it has not at the end: a pod is replaced when
/// its template's lists are merely written in another order.
pub(crate) fn order_like(wanted: &mut Value, live: &Value) {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => order_fields(wanted, live),
        (Value::Array(wanted), Value::Array(live)) => {
            for item in wanted {
                // Named items are the only ones with lists inside.
                let same = live.iter().find(|live| live.get("name") == item.get("name"));
                if let Some(live) = same {
                    order_like(item, live);
                }
            }
        }
        _ => {}
    }
}

fn order_fields(wanted: &mut Map<String, Value>, live: &Map<String, Value>) {
    for (name, wanted) in wanted {
        let Some(live) = live.get(name) else { continue };
        order_like(wanted, live);
        if let (Some(keys), Value::Array(wanted), Value::Array(live)) = (keys(name), wanted, live)
            && UNORDERED.contains(&name.as_str())
        {
            wanted.sort_by_key(|item| {
                live.iter().position(|live| is_same_item(keys, item, live)).unwrap_or(usize::MAX)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_api_server_adds_is_no_difference() {
        let cases = [
            (json!({"a": 1}), json!({"a": 1, "b": 2})),
            (json!({"env": [{"name": "X", "value": ""}]}), json!({"env": [{"name": "X"}]})),
            (json!({"args": []}), json!({})),
            (
                json!({"limits": {"memory": "1024Mi", "cpu": "0.1"}}),
                json!({"limits": {"memory": "1Gi", "cpu": "100m"}}),
            ),
            (
                json!({"ports": [{"containerPort": 1}]}),
                json!({"ports": [{"containerPort": 1, "protocol": "TCP"}]}),
            ),
            (
                json!({"volumes": [{"name": "a"}, {"name": "b", "hostPath": {"path": "/b"}}]}),
                json!({"volumes": [{"name": "b", "hostPath": {"path": "/b", "type": ""}}, {"name": "a"}]}),
            ),
            (json!({"tolerations": [{"key": "a"}]}), json!({"tolerations": [{"key": "a"}]})),
        ];
        for (wanted, live) in cases {
            assert_eq!(difference(&wanted, &live), None, "{wanted} {live}");
        }
    }

    #[test]
    fn differences_are_found_and_named() {
        let cases = [
            (json!({"a": {"b": 1}}), json!({"a": {"b": 2}}), "a.b"),
            (json!({"a": false}), json!({}), "a"),
            (json!({"emptyDir": {}}), json!({}), "emptyDir"),
            (json!({"args": ["-v", "1"]}), json!({"args": ["-v", "1", "-x"]}), "args"),
            (json!({"limits": {"memory": "40Mi"}}), json!({"limits": {"memory": "41Mi"}}), "limits.memory"),
            (json!({"limits": {"memory": "40Mi"}}), json!({"limits": {}}), "limits.memory"),
            (
                json!({"containers": [{"name": "c", "volumeMounts": [{"mountPath": "/a", "readOnly": true}]}]}),
                json!({"containers": [{"name": "c", "volumeMounts": [{"mountPath": "/a"}]}]}),
                "containers[c].volumeMounts[/a].readOnly",
            ),
            (json!({"volumes": [{"name": "a"}]}), json!({"volumes": [{"name": "b"}]}), "volumes[a]"),
            (
                json!({"containers": [{"name": "a"}, {"name": "b"}]}),
                json!({"containers": [{"name": "b"}, {"name": "a"}]}),
                "containers[b]",
            ),
            (
                json!({"tolerations": [{"key": "a"}]}),
                json!({"tolerations": [{"key": "a"}, {"key": "b"}]}),
                "tolerations",
            ),
            (
                json!({"tolerations": [{"key": "a"}]}),
                json!({"tolerations": [{"key": "b"}]}),
                "tolerations.key",
            ),
        ];
        for (wanted, live, path) in cases {
            assert_eq!(difference(&wanted, &live).as_deref(), Some(path), "{wanted} {live}");
        }
    }

    #[test]
    fn lists_without_order_take_the_live_ones() {
        let mut wanted = json!({"volumes": [{"name": "a"}, {"name": "new"}, {"name": "b"}], "containers": [
            {"name": "c", "volumeMounts": [{"mountPath": "/a"}, {"mountPath": "/b"}], "env": [{"name": "1"}, {"name": "2"}]}]});
        let live = json!({"volumes": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "other"},
            {"name": "c", "volumeMounts": [{"mountPath": "/b"}, {"mountPath": "/a"}], "env": [{"name": "2"}, {"name": "1"}]}]});
        order_like(&mut wanted, &live);
        assert_eq!(
            wanted,
            json!({"volumes": [{"name": "b"}, {"name": "a"}, {"name": "new"}], "containers": [
                {"name": "c", "volumeMounts": [{"mountPath": "/b"}, {"mountPath": "/a"}], "env": [{"name": "1"}, {"name": "2"}]}]})
        );
    }
}
