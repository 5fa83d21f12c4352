//! The HTTP server of the pages.

use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
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
        page(status, text)
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(path, _)| path)).finish()
    }
}

/// Serves the pages to all who connect, for ever. Clients that say nothing are dropped after some seconds.
pub async fn serve(listener: TcpListener, pages: Pages) -> Infallible {
    serve_guarded(listener, pages, |stream| ready(Ok(stream)), |_| ready(Ok(()))).await
}

/// As [`serve`], to those alone whom `admit` lets in by the value of their header `Authorization`; others get the status that it gives.
/// `secure` makes of a connection what is read from and written to, such as TLS.
pub async fn serve_guarded<S, H, A>(
    listener: TcpListener,
    pages: Pages,
    secure: impl Fn(TcpStream) -> H + Send + Sync + 'static,
    admit: impl Fn(Option<String>) -> A + Send + Sync + 'static,
) -> Infallible
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Future<Output = io::Result<S>> + Send + 'static,
    A: Future<Output = Result<(), StatusCode>> + Send + 'static,
{
    let (pages, admit) = (Arc::new(pages), Arc::new(admit));
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // Never closed, so this always gives a slot.
        let slot = Arc::clone(&slots).acquire_owned().await;
        let stream = match listener.accept().await {
            Ok((stream, _)) => secure(stream),
            Err(error) => {
                tracing::warn!("cannot accept a connection to the pages {pages:?}: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let (pages, admit) = (Arc::clone(&pages), Arc::clone(&admit));
        tokio::spawn(async move {
            let _slot = slot;
            // A client that goes away in the middle, or cannot agree on TLS, harms only itself.
            let _ = tokio::time::timeout(2 * PATIENCE, async {
                let Ok(stream) = stream.await else { return };
                let service = hyper::service::service_fn(|request| {
                    let (pages, admitted) = (&pages, admit(authorization(&request)));
                    async move {
                        Ok::<_, Infallible>(match admitted.await {
                            Ok(()) => pages.answer(&request),
                            Err(status) => page(status, format!("{status}\n")),
                        })
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(PATIENCE)
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(stream), service);
                let _ = connection.await;
            })
            .await;
        });
    }
}

fn authorization(request: &Request<Incoming>) -> Option<String> {
    request.headers().get(AUTHORIZATION)?.to_str().ok().map(str::to_owned)
}

fn page(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
