//! Bodies of requests, within limits of size, time and memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::{Body as _, Bytes, Incoming};

use super::PATIENCE;
use crate::review::{BadRequest, MAX_BODY};

/// Bytes of a body that are always taken; most pods are smaller.
const SMALL: usize = 16 << 10;
/// Bytes beyond these, of all bodies that are being read.
const MAX_MEMORY: usize = 32 << 20;

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    #[error(transparent)]
    TooLarge(BadRequest),
    #[error("the body did not come within {PATIENCE:?}")]
    TooSlow,
    #[error("more than {MAX_MEMORY} bytes of bodies are being read; try again")]
    TooMany,
    #[error("the body cannot be read: {0}")]
    Broken(#[from] hyper::Error),
}

impl Unread {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooMany => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// The bodies that are being read.
#[derive(Default)]
pub(super) struct Bodies {
    memory: AtomicUsize,
}

impl Bodies {
    pub(super) async fn read(&self, body: Incoming) -> Result<Bytes, Unread> {
        let told = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if told > MAX_BODY {
            return Err(Unread::TooLarge(BadRequest::TooLarge(told)));
        }
        // Costs nothing for a body that is there already.
        match tokio::time::timeout(PATIENCE, self.collect(body)).await {
            Ok(read) => read,
            Err(_) => Err(Unread::TooSlow),
        }
    }

    async fn collect(&self, mut body: Incoming) -> Result<Bytes, Unread> {
        let first = next(&mut body).await?.unwrap_or_default();
        if body.is_end_stream() {
            return Ok(first);
        }
        let mut memory = Memory { all: &self.memory, mine: 0 };
        let mut whole = Vec::from(first);
        while let Some(piece) = next(&mut body).await? {
            let length = whole.len() + piece.len();
            if length > MAX_BODY {
                return Err(Unread::TooLarge(BadRequest::TooLarge(length)));
            }
            memory.grow(length)?;
            whole.extend_from_slice(&piece);
        }
        Ok(whole.into())
    }
}

/// The next bytes of the body, none at its end.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, hyper::Error> {
    while let Some(frame) = body.frame().await {
        // The others are trailers.
        if let Ok(bytes) = frame?.into_data() {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// What a body has of the memory for all of them.
struct Memory<'a> {
    all: &'a AtomicUsize,
    mine: usize,
}

impl Memory<'_> {
    fn grow(&mut self, length: usize) -> Result<(), Unread> {
        let more = length.saturating_sub(SMALL) - self.mine;
        let before = self.all.fetch_add(more, Ordering::Relaxed);
        self.mine += more;
        if before + more > MAX_MEMORY { Err(Unread::TooMany) } else { Ok(()) }
    }
}

impl Drop for Memory<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.mine, Ordering::Relaxed);
    }
}
