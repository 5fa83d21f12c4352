//! What the API server asks before it stores an object, and the answer: `AdmissionReview` of `admission.k8s.io/v1`.
//!
//! The format: [dynamic admission control](https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/).
//! Every answer to a review has HTTP status 200, also a refusal. What is no review cannot be answered by one, for an answer
//! repeats the request's `uid`: that is a [`BadRequest`], with an HTTP status.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

use crate::metrics::Verdict;
use crate::{Fields, Patch};

/// Bytes that the body of a request may have. The API server takes objects of up to 3 MiB. A review of an update has two, the new and
/// the old one, of which etcd takes only up to 1.5 MiB each.
pub const MAX_BODY: usize = 4 << 20;

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
    /// What an update is to replace, `null` if it is none.
    pub old: Value,
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

/// Answers the review in `body`: asks `decide` about objects of this kind, of which it gets these fields, and refuses others.
/// Deletions are allowed. The answer is the JSON of an `AdmissionReview`.
pub fn answer(
    body: &[u8],
    kind: &Kind,
    fields: Fields<'_>,
    decide: impl FnOnce(Request) -> Outcome,
) -> Result<Vec<u8>, BadRequest> {
    judge(body, kind, fields, decide).map(|(_, answer)| answer)
}

/// As [`answer`], and what became of the request: one for another kind of object is a bad one.
pub(crate) fn judge(
    body: &[u8],
    kind: &Kind,
    fields: Fields<'_>,
    decide: impl FnOnce(Request) -> Outcome,
) -> Result<(Verdict, Vec<u8>), BadRequest> {
    if body.len() > MAX_BODY {
        return Err(BadRequest::TooLarge(body.len()));
    }
    let request = [
        ("uid", Fields::All),
        ("kind", Fields::All),
        ("operation", Fields::All),
        ("subResource", Fields::All),
        ("namespace", Fields::All),
        ("object", fields),
        ("oldObject", fields),
    ];
    let review = [("apiVersion", Fields::All), ("kind", Fields::All), ("request", Fields::Only(&request))];
    let mut review = Fields::Only(&review).read(body).map_err(BadRequest::NotJson)?;
    let (api_version, review_kind) = (text(&review, "apiVersion"), text(&review, "kind"));
    if api_version != API_VERSION || review_kind != "AdmissionReview" {
        return Err(BadRequest::NotAReview { api_version: cut(api_version), kind: cut(review_kind) });
    }
    let request = review.get_mut("request").map(Value::take).unwrap_or_default();
    let uid = text(&request, "uid").to_owned();
    if uid.is_empty() {
        return Err(BadRequest::NoUid);
    }
    let (verdict, response) = match read(request, kind) {
        Ok(request) => {
            let outcome = request.map_or_else(Outcome::unchanged, decide);
            (Verdict::of(&outcome), Response::new(&uid, outcome))
        }
        Err(message) => (Verdict::BadRequest, Response::refused(&uid, 400, "BadRequest", &message)),
    };
    Ok((verdict, json(&Answer { api_version: API_VERSION, kind: "AdmissionReview", response })))
}

/// The request of a review, none if it is a deletion, which has no object.
fn read(mut request: Value, expected: &Kind) -> Result<Option<Request>, String> {
    let kind = |name| text(request.get("kind").unwrap_or(&Value::Null), name).to_owned();
    let kind = Kind { group: kind("group"), version: kind("version"), kind: kind("kind") };
    if kind != *expected {
        return Err(format!(
            "this webhook is asked about {}, and knows only {}; correct the rules of its webhook configuration",
            shown(&kind),
            shown(expected)
        ));
    }
    let operation = text(&request, "operation").to_owned();
    match operation.as_str() {
        "DELETE" => return Ok(None),
        "CREATE" | "UPDATE" | "CONNECT" => {}
        _ => return Err(format!("the request's operation {operation:?} is not known")),
    }
    match request.get_mut("object").map(Value::take) {
        Some(object @ Value::Object(_)) => Ok(Some(Request {
            operation,
            subresource: text(&request, "subResource").to_owned(),
            namespace: text(&request, "namespace").to_owned(),
            object,
            old: request.get_mut("oldObject").map(Value::take).unwrap_or_default(),
        })),
        _ => Err("the request has no object".to_owned()),
    }
}

/// An `AdmissionReview` with an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(Serialize)]
struct Status {
    code: u16,
    reason: &'static str,
    message: String,
}

impl<'a> Response<'a> {
    fn new(uid: &'a str, outcome: Outcome) -> Self {
        let (patch, warnings) = match outcome {
            Outcome::Allowed { patch, warnings } => (patch, warnings),
            Outcome::Refused { message } => return Self::refused(uid, 403, "Forbidden", &message),
        };
        let warnings = warnings.iter().take(MAX_WARNINGS).map(|warning| cut(warning)).collect();
        let allowed = Self { uid, allowed: true, warnings, ..Self::default() };
        if patch.is_empty() {
            return allowed;
        }
        Self { patch_type: Some("JSONPatch"), patch: Some(STANDARD.encode(json(&patch))), ..allowed }
    }

    fn refused(uid: &'a str, code: u16, reason: &'static str, message: &str) -> Self {
        Self { uid, status: Some(Status { code, reason, message: cut(message) }), ..Self::default() }
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let mut text = Vec::with_capacity(4096);
    // Cannot fail: the names of all members are texts, and memory takes all that is written.
    let _ = serde_json::to_writer(&mut text, value);
    text
}

/// The text of a member; empty if there is none.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
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
