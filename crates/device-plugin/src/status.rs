//! An HTTP server that shows how the plugins of a process are: `/healthz`, `/readyz`, `/metrics`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::metrics::{self, Status};

/// More at once than any probe and scraper needs; further ones wait.
const MAX_CONNECTIONS: usize = 16;
/// A client that is slower to send its request is dropped.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves the status pages of `plugins`, asked for at each request, on `address` for ever. Fails at once when the address
/// can't be used.
pub async fn serve(
    address: SocketAddr,
    plugins: impl Fn() -> Vec<Arc<Status>> + Send + Sync + 'static,
) -> io::Result<Infallible> {
    let listener = TcpListener::bind(address).await?;
    let plugins = Arc::new(plugins);
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // Never closed, so this always gives a slot.
        let slot = Arc::clone(&slots).acquire_owned().await;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("cannot accept a connection to {address}: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let plugins = Arc::clone(&plugins);
        tokio::spawn(async move {
            let _slot = slot;
            let service = hyper::service::service_fn(|request| {
                let page = answer(&request, &plugins());
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

fn answer(request: &Request<Incoming>, plugins: &[Arc<Status>]) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return page(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    match request.uri().path() {
        "/healthz" => verdict(plugins.iter().filter_map(|plugin| plugin.sick())),
        "/readyz" => verdict(plugins.iter().filter_map(|plugin| plugin.not_ready())),
        "/metrics" => page(StatusCode::OK, metrics::render(plugins.iter().map(|plugin| &**plugin))),
        _ => page(StatusCode::NOT_FOUND, "there are /healthz, /readyz and /metrics\n".to_owned()),
    }
}

fn verdict(complaints: impl Iterator<Item = String>) -> Response<Full<Bytes>> {
    let complaints: Vec<String> = complaints.collect();
    if complaints.is_empty() {
        page(StatusCode::OK, "ok\n".to_owned())
    } else {
        page(StatusCode::SERVICE_UNAVAILABLE, complaints.join("\n") + "\n")
    }
}

fn page(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
