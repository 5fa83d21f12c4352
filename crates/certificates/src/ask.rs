//! Questions to the API server: each has a time limit, and an error that says what to do.

use std::fmt;
use std::time::Duration;

use api_server::causes;

/// The longest that one answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the API server is asked, as roles name it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) verb: &'static str,
    /// The resource, with its group after a dot.
    pub(crate) resource: &'static str,
    pub(crate) name: String,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.verb, self.resource, self.name)
    }
}

/// Why the API server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("not allowed to {0}: add it to the role of this service account ({1})")]
    Forbidden(Request, String),
    #[error("cannot {0}: there is none")]
    Missing(Request),
    /// Somebody else was faster.
    #[error("cannot {0}: it has changed meanwhile ({1})")]
    Changed(Request, String),
    #[error("cannot {0}: no answer of the API server for {limit} s", limit = PATIENCE.as_secs())]
    Silent(Request),
    #[error("cannot {0}: {1}")]
    Failed(Request, String),
}

/// Asks, and says in the error what was asked.
pub(crate) async fn ask<T>(
    request: Request,
    answer: impl Future<Output = kube::Result<T>>,
) -> Result<T, AskError> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(explain(request, &error)),
        Err(_) => Err(AskError::Silent(request)),
    }
}

/// What an error of the client means for this request.
pub(crate) fn explain(request: Request, error: &kube::Error) -> AskError {
    let kube::Error::Api(status) = error else { return AskError::Failed(request, causes(error)) };
    match status.code {
        403 => AskError::Forbidden(request, status.message.clone()),
        404 => AskError::Missing(request),
        409 => AskError::Changed(request, status.message.clone()),
        // A `test` of a JSON patch that does not hold.
        422 if request.verb == "patch" => AskError::Changed(request, status.message.clone()),
        code => AskError::Failed(request, format!("{} ({code})", status.message)),
    }
}
