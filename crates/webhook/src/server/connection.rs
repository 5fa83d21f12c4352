//! One connection: its handshake, and its requests.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::PATIENCE;
use super::answer::Answers;
use super::connections::Activity;
use super::patience::Patience;

/// Bytes of the headers of a request; the API server sends some hundreds. The body is read in pieces of this size.
const MAX_HEAD: usize = 16 << 10;
/// Requests at once on a connection of HTTP/2.
const MAX_STREAMS: u32 = 100;

/// Agrees on TLS with the client.
pub(super) async fn handshake(stream: TcpStream, acceptor: &TlsAcceptor) -> io::Result<TlsStream<TcpStream>> {
    // An answer is one write; nothing is gained by waiting for more.
    stream.set_nodelay(true)?;
    tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await?
}

/// Answers requests until the client goes, does something wrong, or `stopping` says so.
pub(super) async fn serve(
    stream: TlsStream<TcpStream>,
    answers: Arc<Answers>,
    activity: Arc<Activity>,
    stopping: Watcher,
) {
    activity.established();
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = {
        let activity = Arc::clone(&activity);
        service_fn(move |request| {
            let (answers, activity) = (Arc::clone(&answers), Arc::clone(&activity));
            async move { Ok::<_, Infallible>(answers.answer(request, &activity).await) }
        })
    };
    let ended = if http2 {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .serve_connection(TokioIo::new(stream), service);
        stopping.watch(connection).await
    } else {
        let connection = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            // It would end connections that wait for their next request.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(Patience::new(stream, activity)), service);
        stopping.watch(connection).await
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended: {error}");
    }
}
