//! What the API server asks before it stores an object, and the answer: `AdmissionReview` of `admission.k8s.io/v1`.
//!
//! The format: [dynamic admission control](https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/).
//! Every answer to a review has HTTP status 200, also a refusal. What is no review cannot be answered by one, for an answer
//! repeats the request's `uid`: that is a [`BadRequest`], with an HTTP status.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::Patch;

/// Bytes that the body of a request may have. The API server takes objects of up to 3 MiB.
pub const MAX_BODY: usize = 3 << 20;

/// Characters of one message or warning of an answer; the rest is cut.
const MAX_TEXT: usize = 1000;

/// Warnings of one answer; the others are left out.
const MAX_WARNINGS: usize = 10;

const API_VERSION: &str = "admission.k8s.io/v1";

/// A kind of object, as the API has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The API group, empty for pods.
    pub group: String,
    /// The version in its group, like `v1`.
    pub version: String,
    /// The kind itself, like `Pod`.
    pub kind: String,
}

impl Kind {
    /// Pods, in the only version that there is.
    pub fn pod() -> Self {
        Self { group: String::new(), version: "v1".to_owned(), kind: "Pod".to_owned() }
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub operation: String,
    /// The part of the object that is asked for, like `status`; empty for all of it.
    pub subresource: String,
    /// The object's namespace; empty if it is in none.
    pub namespace: String,
    /// The object, with everything that the API server said about it.
    pub object: Value,
}

/// What a webhook decides.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The object may be stored.
    Allowed {
        /// What is changed first; may be empty.
        patch: Patch,
        /// What the user is shown.
        warnings: Vec<String>,
    },
    /// The object must not be stored.
    Refused {
        /// What is wrong, and what to do.
        message: String,
    },
}

impl Outcome {
    /// The object may be stored as it is.
    pub fn unchanged() -> Self {
        Self::Allowed { patch: Patch::default(), warnings: Vec::new() }
    }
}

/// A body that is not answered by a review.
#[derive(Debug, thiserror::Error)]
pub enum BadRequest {
    /// More than [`MAX_BODY`] bytes.
    #[error("the body has {0} bytes; no more than {MAX_BODY} are read")]
    TooLarge(usize),
    /// No JSON, or JSON more than 127 levels deep.
    #[error("the body is not the JSON of an AdmissionReview: {0}")]
    NotJson(#[source] serde_json::Error),
    /// Another object, or another version.
    #[error("the body is a {kind:?} of {api_version:?}, not an AdmissionReview of \"{API_VERSION}\"")]
    NotAReview {
        /// The body's `apiVersion`.
        api_version: String,
        /// The body's `kind`.
        kind: String,
    },
    /// The review has no `request.uid`.
    #[error("the AdmissionReview has no request with a uid")]
    NoUid,
}

impl BadRequest {
    /// The HTTP status that says it.
    pub fn status(&self) -> u16 {
        if matches!(self, Self::TooLarge(_)) { 413 } else { 400 }
    }
}

/// Answers the review in `body`: asks `decide` about objects of this kind, and refuses others. Deletions are allowed.
/// The answer is the JSON of an `AdmissionReview`.
pub fn answer(
    body: &[u8],
    kind: &Kind,
    decide: impl FnOnce(Request) -> Outcome,
) -> Result<Vec<u8>, BadRequest> {
    if body.len() > MAX_BODY {
        return Err(BadRequest::TooLarge(body.len()));
    }
    let mut review: Value = serde_json::from_slice(body).map_err(BadRequest::NotJson)?;
    let (api_version, review_kind) = (text(&review, "/apiVersion"), text(&review, "/kind"));
    if api_version != API_VERSION || review_kind != "AdmissionReview" {
        return Err(BadRequest::NotAReview { api_version: cut(&api_version), kind: cut(&review_kind) });
    }
    let uid = text(&review, "/request/uid");
    if uid.is_empty() {
        return Err(BadRequest::NoUid);
    }
    let response = match read(&mut review, kind) {
        Ok(Some(request)) => response(&uid, decide(request)),
        Ok(None) => response(&uid, Outcome::unchanged()),
        Err(message) => refusal(&uid, 400, "BadRequest", &message),
    };
    let answer = json!({ "apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response });
    Ok(answer.to_string().into_bytes())
}

/// The request of a review, none if it is a deletion, which has no object.
fn read(review: &mut Value, expected: &Kind) -> Result<Option<Request>, String> {
    let kind = Kind {
        group: text(review, "/request/kind/group"),
        version: text(review, "/request/kind/version"),
        kind: text(review, "/request/kind/kind"),
    };
    let operation = text(review, "/request/operation");
    if kind != *expected {
        return Err(format!(
            "this webhook is asked about {}, and knows only {}; correct the rules of its webhook configuration",
            shown(&kind),
            shown(expected)
        ));
    }
    match operation.as_str() {
        "DELETE" => return Ok(None),
        "CREATE" | "UPDATE" | "CONNECT" => {}
        _ => return Err(format!("the request's operation {operation:?} is not known")),
    }
    match review.pointer_mut("/request/object").map(Value::take) {
        Some(object @ Value::Object(_)) => Ok(Some(Request {
            operation,
            subresource: text(review, "/request/subResource"),
            namespace: text(review, "/request/namespace"),
            object,
        })),
        _ => Err("the request has no object".to_owned()),
    }
}

fn response(uid: &str, outcome: Outcome) -> Value {
    let (patch, warnings) = match outcome {
        Outcome::Allowed { patch, warnings } => (patch, warnings),
        Outcome::Refused { message } => return refusal(uid, 403, "Forbidden", &message),
    };
    let mut response = Map::from_iter([("uid".to_owned(), json!(uid)), ("allowed".to_owned(), json!(true))]);
    if !patch.is_empty() {
        let patch = json!(patch).to_string();
        response.insert("patchType".to_owned(), json!("JSONPatch"));
        response.insert("patch".to_owned(), json!(STANDARD.encode(patch)));
    }
    if !warnings.is_empty() {
        let warnings: Vec<String> = warnings.iter().take(MAX_WARNINGS).map(|warning| cut(warning)).collect();
        response.insert("warnings".to_owned(), json!(warnings));
    }
    Value::Object(response)
}

fn refusal(uid: &str, code: u16, reason: &str, message: &str) -> Value {
    let status = json!({ "code": code, "reason": reason, "message": cut(message) });
    json!({ "uid": uid, "allowed": false, "status": status })
}

/// The text at this JSON pointer; empty where there is none.
fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn shown(kind: &Kind) -> String {
    let group = if kind.group.is_empty() { "core" } else { &kind.group };
    format!("{:?} of {group}/{}", kind.kind, kind.version)
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
