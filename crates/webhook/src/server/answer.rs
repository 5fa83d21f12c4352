//! Answers to requests.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use http_body_util::Full;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::Webhook;
use super::body::Bodies;
use super::connections::Activity;
use crate::metrics::{Figures, Metrics, Verdict};
use crate::review;

const JSON: &str = "application/json";

/// What all connections of a server share.
pub(super) struct Answers {
    webhooks: Vec<(Webhook, Arc<Figures>)>,
    bodies: Bodies,
}

/// An answer that is no review.
type Problem = (StatusCode, String);

impl Answers {
    pub(super) fn new(webhooks: Vec<Webhook>, metrics: &Metrics) -> Self {
        let webhooks = webhooks.into_iter().map(|webhook| {
            let figures = metrics.webhook(&webhook.name);
            (webhook, figures)
        });
        Self { webhooks: webhooks.collect(), bodies: Bodies::default() }
    }

    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        activity: &Activity,
    ) -> Response<Full<Bytes>> {
        let began = Instant::now();
        let path = request.uri().path();
        let Some((webhook, figures)) = self.webhooks.iter().find(|(webhook, _)| webhook.path == path) else {
            if !request.body().is_end_stream() {
                activity.left_unread();
            }
            return plain((StatusCode::NOT_FOUND, "no webhook is here".to_owned()));
        };
        let answered = match self.read(request, activity).await {
            Ok(body) => decide(webhook, &body),
            Err(problem) => Err(problem),
        };
        activity.answered();
        match answered {
            Ok((verdict, answer)) => {
                figures.answered(verdict, began.elapsed());
                let mut response = Response::new(Full::from(answer));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
                response
            }
            Err(problem) => {
                let ours = problem.0.is_server_error();
                figures.answered(if ours { Verdict::Error } else { Verdict::BadRequest }, began.elapsed());
                plain(problem)
            }
        }
    }

    /// The body of a request that is good so far.
    async fn read(&self, request: Request<Incoming>, activity: &Activity) -> Result<Bytes, Problem> {
        let problem = if request.method() != Method::POST {
            (StatusCode::METHOD_NOT_ALLOWED, "only POST".to_owned())
        } else if !is_json(request.headers().get(CONTENT_TYPE)) {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("the content type must be {JSON}"))
        } else {
            match self.bodies.read(request.into_body()).await {
                Ok(body) => return Ok(body),
                Err(unread) => {
                    activity.left_unread();
                    return Err((unread.status(), unread.to_string()));
                }
            }
        };
        if !request.body().is_end_stream() {
            activity.left_unread();
        }
        Err(problem)
    }
}

/// Asks the webhook.
fn decide(webhook: &Webhook, body: &[u8]) -> Result<(Verdict, Vec<u8>), Problem> {
    // What is asked has nothing that lives on after a panic but its own locks, which it has to cope with.
    let judge = || review::judge(body, &webhook.kind, webhook.fields, &webhook.decide);
    match catch_unwind(AssertUnwindSafe(judge)) {
        Ok(Ok(judged)) => Ok(judged),
        Ok(Err(bad)) => {
            let status = StatusCode::from_u16(bad.status()).unwrap_or(StatusCode::BAD_REQUEST);
            Err((status, bad.to_string()))
        }
        Err(panic) => {
            tracing::error!("webhook {} panicked at a request: {}", webhook.name, panic_message(&*panic));
            Err((
                StatusCode::INTERNAL_SERVER_ERROR,
                "the webhook failed at this request; see its log".to_owned(),
            ))
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Whether it is JSON, with or without parameters.
fn is_json(content_type: Option<&HeaderValue>) -> bool {
    let essence = content_type.and_then(|value| value.to_str().ok()?.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(JSON))
}

fn plain((status, text): Problem) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text + "\n"));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}
