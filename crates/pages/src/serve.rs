//! The HTTP server of the pages.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// More at once than any probe and scraper needs; further ones wait.
const MAX_CONNECTIONS: usize = 16;
/// A client that is slower to send its request is dropped.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pages and their paths, made anew for each request.
#[derive(Default)]
pub struct Pages(Vec<(&'static str, Page)>);

type Page = Box<dyn Fn() -> (StatusCode, String) + Send + Sync>;

impl Pages {
    /// Adds a page that says `ok`, or with status 503 what is wrong, a line each.
    #[must_use]
    pub fn verdict(
        self,
        path: &'static str,
        complaints: impl Fn() -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        self.add(path, move || {
            let complaints = complaints();
            if complaints.is_empty() {
                (StatusCode::OK, "ok\n".to_owned())
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, complaints.join("\n") + "\n")
            }
        })
    }

    /// Adds a page of text.
    #[must_use]
    pub fn text(self, path: &'static str, page: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.add(path, move || (StatusCode::OK, page()))
    }

    fn add(
        mut self,
        path: &'static str,
        page: impl Fn() -> (StatusCode, String) + Send + Sync + 'static,
    ) -> Self {
        self.0.push((path, Box::new(page)));
        self
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let (status, text) = if request.method() != Method::GET && request.method() != Method::HEAD {
            (StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned())
        } else if let Some((_, page)) = self.0.iter().find(|(path, _)| *path == request.uri().path()) {
            page()
        } else {
            let paths: Vec<&str> = self.0.iter().map(|(path, _)| *path).collect();
            (StatusCode::NOT_FOUND, format!("there are {}\n", paths.join(", ")))
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(path, _)| path)).finish()
    }
}

/// Serves the pages to all who connect, for ever. Clients that say nothing are dropped after some seconds.
pub async fn serve(listener: TcpListener, pages: Pages) -> Infallible {
    let pages = Arc::new(pages);
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // Never closed, so this always gives a slot.
        let slot = Arc::clone(&slots).acquire_owned().await;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("cannot accept a connection to the pages {pages:?}: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let pages = Arc::clone(&pages);
        tokio::spawn(async move {
            let _slot = slot;
            let service = hyper::service::service_fn(|request| {
                let page = pages.answer(&request);
                async move { Ok::<_, Infallible>(page) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            // A client that goes away in the middle harms only itself.
            let _ = tokio::time::timeout(2 * PATIENCE, connection).await;
        });
    }
}
