//! Who may read the metrics: the API server is asked, as by the Go implementation.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use pages::StatusCode;
use tokio::time::Instant;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

/// How long an answer is good for, so that not every scrape asks. A token that is taken back reads for so long.
const ADMITTED: Duration = Duration::from_mins(1);
const REFUSED: Duration = Duration::from_secs(10);
/// Tokens that are remembered.
const MOST: usize = 1000;
/// Bytes of a token; service accounts' have about 1000.
const LONGEST: usize = 8 << 10;
/// The longest that one answer is waited for; the reader waits for two of them.
const PATIENCE: Duration = Duration::from_secs(4);

/// Knows tokens for a while.
pub(crate) struct Readers {
    client: Client,
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Clone, Copy)]
struct Known {
    answer: Result<(), StatusCode>,
    until: Instant,
}

impl Readers {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, known: Mutex::default() }
    }

    /// Whether who has sent this header may read; if not, the HTTP status that says why.
    pub(crate) async fn admit(&self, authorization: Option<String>) -> Result<(), StatusCode> {
        let header = authorization.unwrap_or_default();
        let (scheme, token) = header.split_once(' ').unwrap_or_default();
        let token = token.trim();
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.len() > LONGEST {
            return Err(StatusCode::UNAUTHORIZED);
        }
        if let Some(known) = self.known(token) {
            return known;
        }
        // The client's own log has what it sends, the token too, when it does not understand the answer.
        let asked = self.ask(token).with_subscriber(NoSubscriber::default()).await;
        let answer = asked.map_err(|error| {
            tracing::warn!("cannot ask the API server who reads the metrics: {error}");
            StatusCode::INTERNAL_SERVER_ERROR
        })?;
        self.remember(token, answer);
        answer
    }

    fn known(&self, token: &str) -> Option<Result<(), StatusCode>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(token).copied()?;
        (Instant::now() < known.until).then_some(known.answer)
    }

    fn remember(&self, token: &str, answer: Result<(), StatusCode>) {
        let now = Instant::now();
        let until = now + if answer.is_ok() { ADMITTED } else { REFUSED };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, known| now < known.until);
        // Who sends so many tokens cannot have the others forgotten.
        if known.len() < MOST {
            known.insert(token.to_owned(), Known { answer, until });
        }
    }

    async fn ask(&self, token: &str) -> Result<Result<(), StatusCode>, String> {
        let spec = TokenReviewSpec { token: token.to_owned(), ..TokenReviewSpec::default() };
        let review = TokenReview { spec, ..TokenReview::default() };
        let review = post(Api::all(self.client.clone()), &review).await?;
        let status = review.status.unwrap_or_default();
        let Some(user) = status.user.filter(|_| status.authenticated == Some(true)) else {
            return Ok(Err(StatusCode::UNAUTHORIZED));
        };
        let review = SubjectAccessReview { spec: may_read(user), ..SubjectAccessReview::default() };
        let review = post(Api::all(self.client.clone()), &review).await?;
        let is_allowed = review.status.is_some_and(|status| status.allowed && status.denied != Some(true));
        Ok(if is_allowed { Ok(()) } else { Err(StatusCode::FORBIDDEN) })
    }
}

fn may_read(user: UserInfo) -> SubjectAccessReviewSpec {
    SubjectAccessReviewSpec {
        user: user.username,
        uid: user.uid,
        groups: user.groups,
        extra: user.extra,
        non_resource_attributes: Some(NonResourceAttributes {
            path: Some("/metrics".to_owned()),
            verb: Some("get".to_owned()),
        }),
        ..SubjectAccessReviewSpec::default()
    }
}

async fn post<K>(api: Api<K>, review: &K) -> Result<K, String>
where
    K: Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    match tokio::time::timeout(PATIENCE, api.create(&PostParams::default(), review)).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer for {PATIENCE:?}")),
    }
}
