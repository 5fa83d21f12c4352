//! What the API server asks before it stores an object of a family.

use serde_json::Value;
use webhook::review::Kind;
use webhook::{Document, Fields, Outcome, Patch, Pointer, Request, Webhook};

use crate::{Family, GROUP, admission};

/// Of an object that gets defaults: its image.
const IMAGE: Fields<'_> = Fields::Only(&[("spec", Fields::Only(&[("image", Fields::All)]))]);
/// Of an object that is looked at for mistakes.
const SPEC: Fields<'_> =
    Fields::Only(&[("metadata", Fields::Only(&[("deletionTimestamp", Fields::All)])), ("spec", Fields::All)]);

/// The two webhooks of a family, at the Go implementation's paths: one fills in the image, the other refuses what cannot be.
pub fn webhooks(family: Family) -> [Webhook; 2] {
    let plural = family.plural();
    let singular = plural.strip_suffix('s').unwrap_or_default();
    let path = |does: &str| format!("/{does}-{}-v1-{singular}", GROUP.replace('.', "-"));
    let kind = Kind { group: GROUP.to_owned(), version: "v1".to_owned(), kind: family.kind() };
    [
        Webhook {
            name: format!("default-{}", family.name),
            path: path("mutate"),
            kind: kind.clone(),
            fields: IMAGE,
            decide: Box::new(move |request| give_defaults(&family, request)),
        },
        Webhook {
            name: format!("validate-{}", family.name),
            path: path("validate"),
            kind,
            fields: SPEC,
            decide: Box::new(move |request| validate(&family, &request)),
        },
    ]
}

fn give_defaults(family: &Family, request: Request) -> Outcome {
    let Some(image) = default_image(family, &request) else { return Outcome::unchanged() };
    let mut object = Document::new(request.object);
    // It fails where the spec is a text, or something else that its schema refuses.
    let _ = object.set(&Pointer::root().key("spec").key("image"), Value::String(image));
    Outcome::Allowed { patch: object.into_patch(), warnings: Vec::new() }
}

fn default_image(family: &Family, request: &Request) -> Option<String> {
    let is_whole = request.subresource.is_empty();
    is_whole.then(|| admission::default_image(family, spec(&request.object))).flatten()
}

fn validate(family: &Family, request: &Request) -> Outcome {
    // What is on its way out has to get there, with an image from before an update of the operator, too: finalizers are removed by
    // an update.
    let is_going = request.object.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null());
    if is_going || !request.subresource.is_empty() {
        return Outcome::unchanged();
    }
    if let Some(why) = admission::refusal(family, spec(&request.object)) {
        return Outcome::Refused { message: format!("invalid resource: {why}") };
    }
    let warnings = if request.old.is_null() {
        Vec::new()
    } else {
        admission::warnings(family, spec(&request.old), spec(&request.object))
    };
    Outcome::Allowed { patch: Patch::default(), warnings }
}

fn spec(object: &Value) -> &Value {
    object.get("spec").unwrap_or(&Value::Null)
}
