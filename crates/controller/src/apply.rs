//! What a DaemonSet is to be, and what has to be done to a live one for that.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::{Value, json};

use crate::compare::{difference, order_like};
use crate::fields;

/// The annotation that tells the content of the ConfigMap. On the DaemonSet it is what was seen last; in the template it has pods
/// replaced, so it comes there only when the content changes from one that was seen: a DaemonSet that is adopted keeps its pods.
pub(crate) const CONTENT: &str = "deviceplugin.intel.com/config-map";

/// What is known of the ConfigMap that the pods read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// They read none.
    Unused,
    /// There is none, or it cannot be read.
    Missing,
    /// The digest of its content.
    Known(String),
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    Nothing,
    /// A merge patch by which the whole spec becomes ours. It fails if the DaemonSet was changed meanwhile.
    TakeOver(Value),
    /// Apply, because of this field.
    Apply(String),
}

/// The whole DaemonSet that an object stands for, as it is applied.
pub(crate) fn wanted(
    daemonset: &DaemonSet,
    owner: &OwnerReference,
    content: &Content,
    live: Option<&Value>,
) -> serde_json::Result<Value> {
    let mut daemonset = daemonset.clone();
    daemonset.metadata.owner_references = Some(vec![owner.clone()]);
    let known = |place: &str| {
        let annotations = live.and_then(|live| live.pointer(place))?;
        Some(annotations.get(CONTENT)?.as_str()?.to_owned())
    };
    let (seen, rolled) = (known("/metadata/annotations"), known("/spec/template/metadata/annotations"));
    let (seen, rolled) = match content {
        Content::Unused => (None, None),
        Content::Missing => (seen, rolled),
        Content::Known(now) if seen.as_ref().is_some_and(|seen| seen != now) => {
            (Some(now.clone()), Some(now.clone()))
        }
        Content::Known(now) => (Some(now.clone()), rolled),
    };
    if let Some(seen) = seen {
        daemonset.metadata.annotations.get_or_insert_default().insert(CONTENT.to_owned(), seen);
    }
    if let (Some(rolled), Some(spec)) = (rolled, &mut daemonset.spec) {
        let template = spec.template.metadata.get_or_insert_default();
        template.annotations.get_or_insert_default().insert(CONTENT.to_owned(), rolled);
    }
    let mut wanted = serde_json::to_value(&daemonset)?;
    if let Some(live) = live {
        order_like(&mut wanted, live);
    }
    Ok(wanted)
}

/// What has to be done to the live DaemonSet. Nothing, if all that is wanted is there and all that is there is either ours and
/// wanted, or a default.
pub(crate) fn step(wanted: &Value, live: &Value) -> Step {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let entries = entries.map(Vec::as_slice).unwrap_or_default();
    if let Some(taken) = fields::take_over(entries) {
        let guard = |field: &str| live.pointer(&format!("/metadata/{field}"));
        let (uid, version) = (guard("uid"), guard("resourceVersion"));
        let metadata = json!({"uid": uid, "resourceVersion": version, "managedFields": taken});
        return Step::TakeOver(json!({"metadata": metadata}));
    }
    if !fields::is_claimed(entries) {
        return Step::Apply("metadata.managedFields".to_owned());
    }
    // Items of lists do not say what they are, so apiVersion and kind tell nothing.
    let differs = |part: &str| match (wanted.get(part), live.get(part)) {
        (Some(wanted), Some(live)) => difference(wanted, live).map(|field| format!("{part}.{field}")),
        _ => Some(part.to_owned()),
    };
    match differs("metadata").or_else(|| differs("spec")).or_else(|| fields::unwanted(entries, wanted)) {
        Some(field) => Step::Apply(field),
        None => Step::Nothing,
    }
}

/// Whose a live DaemonSet is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Belongs {
    /// To the object.
    Ours,
    /// To nobody, but it selects the same pods: what `kubectl delete --cascade=orphan` leaves.
    Nobody,
    /// To somebody else, named here.
    Others(String),
}

/// Whose the live DaemonSet with the wanted one's name is, for the object with this unique id.
pub(crate) fn belongs(live: &Value, wanted: &Value, uid: &str) -> Belongs {
    let owners = live.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let controller =
        owners.into_iter().flatten().find(|owner| owner.get("controller") == Some(&Value::Bool(true)));
    let text =
        |owner: &Value, field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    match controller {
        Some(owner) if text(owner, "uid") == uid => Belongs::Ours,
        Some(owner) => Belongs::Others(format!(
            "{} {:?} (uid {})",
            text(owner, "kind"),
            text(owner, "name"),
            text(owner, "uid")
        )),
        None if live.pointer("/spec/selector") == wanted.pointer("/spec/selector") => Belongs::Nobody,
        None => Belongs::Others("nobody, and has another selector".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daemonset() -> DaemonSet {
        let text = json!({
            "metadata": {"name": "d", "namespace": "n", "labels": {"app": "x"}},
            "spec": {
                "selector": {"matchLabels": {"app": "x"}},
                "template": {
                    "metadata": {"labels": {"app": "x"}},
                    "spec": {"containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "v", "emptyDir": {}}]},
                },
            },
        });
        serde_json::from_value(text).unwrap()
    }

    fn owner(uid: &str) -> OwnerReference {
        OwnerReference {
            kind: "K".to_owned(),
            name: "o".to_owned(),
            uid: uid.to_owned(),
            controller: Some(true),
            ..OwnerReference::default()
        }
    }

    fn wanted_with(content: &Content, live: Option<&Value>) -> Value {
        wanted(&daemonset(), &owner("1"), content, live).unwrap()
    }

    fn annotations(seen: Option<&str>, rolled: Option<&str>) -> Value {
        let annotations =
            |text: Option<&str>| text.map(|text| json!({CONTENT: text})).unwrap_or(json!({"other": "1"}));
        json!({"metadata": {"annotations": annotations(seen)}, "spec": {"template": {"metadata": {"annotations": annotations(rolled)}}}})
    }

    #[test]
    fn pods_are_replaced_only_when_a_known_content_changes() {
        let known = |text: &str| Content::Known(text.to_owned());
        for (content, seen, rolled, after) in [
            (Content::Unused, Some("1"), Some("1"), (None, None)),
            (Content::Missing, Some("1"), None, (Some("1"), None)),
            (Content::Missing, Some("2"), Some("2"), (Some("2"), Some("2"))),
            (known("1"), None, None, (Some("1"), None)),
            (known("1"), Some("1"), None, (Some("1"), None)),
            (known("2"), Some("1"), None, (Some("2"), Some("2"))),
            (known("2"), Some("2"), Some("2"), (Some("2"), Some("2"))),
            (known("1"), Some("2"), Some("2"), (Some("1"), Some("1"))),
        ] {
            let made = wanted_with(&content, Some(&annotations(seen, rolled)));
            let text = |at: &str| made.pointer(at).and_then(|all| all.get(CONTENT)).and_then(Value::as_str);
            let found = (text("/metadata/annotations"), text("/spec/template/metadata/annotations"));
            assert_eq!(found, after, "{content:?} {seen:?} {rolled:?}");
        }
        assert_eq!(wanted_with(&Content::Unused, None)["metadata"]["ownerReferences"][0]["uid"], "1");
    }

    fn live(manager: &str, operation: &str, fields: &Value) -> Value {
        let mut live = wanted_with(&Content::Unused, None);
        live["metadata"]["uid"] = json!("7");
        live["metadata"]["resourceVersion"] = json!("3");
        live["metadata"]["managedFields"] =
            json!([{"manager": manager, "operation": operation, "fieldsV1": fields}]);
        live["spec"]["template"]["spec"]["dnsPolicy"] = json!("ClusterFirst");
        // As in a list.
        for field in ["apiVersion", "kind"] {
            live.as_object_mut().unwrap().remove(field);
        }
        live
    }

    #[test]
    fn a_daemonset_as_it_should_be_is_left_alone() {
        let wanted = wanted_with(&Content::Unused, None);
        let live = live(fields::MANAGER, "Apply", &json!({"f:spec": {"f:selector": {}}}));
        assert_eq!(step(&wanted, &live), Step::Nothing);
    }

    #[test]
    fn whatever_differs_or_is_left_over_is_applied() {
        let wanted = wanted_with(&Content::Unused, None);
        let ours = json!({"f:spec": {"f:selector": {}}});
        let mut edited = live(fields::MANAGER, "Apply", &ours);
        edited["spec"]["template"]["spec"]["containers"][0]["image"] = json!("other");
        assert_eq!(step(&wanted, &edited), Step::Apply("spec.template.spec.containers[c].image".to_owned()));
        let left = live(
            fields::MANAGER,
            "Apply",
            &json!({"f:spec": {"f:template": {"f:spec": {"f:dnsPolicy": {}}}}}),
        );
        assert_eq!(step(&wanted, &left), Step::Apply("spec.template.spec.dnsPolicy".to_owned()));
        let mut unclaimed = live(fields::MANAGER, "Apply", &ours);
        unclaimed["metadata"]["managedFields"] = json!([]);
        assert_eq!(step(&wanted, &unclaimed), Step::Apply("metadata.managedFields".to_owned()));
    }

    #[test]
    fn what_somebody_else_owns_of_the_spec_is_taken_over_first() {
        let wanted = wanted_with(&Content::Unused, None);
        let live = live("intel_deviceplugin_operator", "Update", &json!({"f:spec": {"f:template": {}}}));
        let Step::TakeOver(patch) = step(&wanted, &live) else { panic!("{:?}", step(&wanted, &live)) };
        assert_eq!(patch["metadata"]["uid"], "7");
        assert_eq!(patch["metadata"]["resourceVersion"], "3");
        assert_eq!(patch["metadata"]["managedFields"][0]["manager"], fields::MANAGER);
    }

    #[test]
    fn a_daemonset_belongs_to_its_controller() {
        let wanted = wanted_with(&Content::Unused, None);
        assert_eq!(belongs(&wanted, &wanted, "1"), Belongs::Ours);
        assert_eq!(belongs(&wanted, &wanted, "2"), Belongs::Others("K \"o\" (uid 1)".to_owned()));
        let mut orphan = wanted.clone();
        orphan["metadata"]["ownerReferences"][0]["controller"] = json!(false);
        assert_eq!(belongs(&orphan, &wanted, "1"), Belongs::Nobody);
        orphan["spec"]["selector"] = json!({"matchLabels": {"app": "y"}});
        assert!(matches!(belongs(&orphan, &wanted, "1"), Belongs::Others(_)));
    }
}
