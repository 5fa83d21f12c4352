//! One connection: its handshake, and its requests.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
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

/// Boxed, for a task has room for each place that a value is moved to, and most tasks only wait.
pub(super) type Stream = Box<TlsStream<TcpStream>>;

/// Agrees on TLS with the client.
pub(super) async fn handshake(stream: TcpStream, acceptor: &TlsAcceptor) -> io::Result<Stream> {
    // An answer is one write; nothing is gained by waiting for more.
    stream.set_nodelay(true)?;
    let accepted = Box::pin(tokio::time::timeout(PATIENCE, acceptor.accept(stream))).await?;
    accepted.map(Box::new)
}

/// Answers requests until the client goes or does something wrong, or until `stopping` changes.
pub(super) async fn serve(
    stream: Stream,
    answers: Arc<Answers>,
    activity: Arc<Activity>,
    mut stopping: watch::Receiver<()>,
) {
    activity.established();
    let ended = if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        Box::pin(serve_http2(stream, answers, activity, &mut stopping)).await
    } else {
        serve_http1(stream, answers, activity, &mut stopping).await
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended: {error}");
    }
}

/// What reads requests and writes answers has large buffers. So it is there only while requests come.
async fn serve_http1(
    stream: Stream,
    answers: Arc<Answers>,
    activity: Arc<Activity>,
    stopping: &mut watch::Receiver<()>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut stream = Patience::new(stream, Arc::clone(&activity));
    loop {
        tokio::select! {
            more = stream.wait() => if !more? { break },
            _ = stopping.changed() => break,
        }
        let service =
            service_fn(|request| async { Ok::<_, Infallible>(answers.answer(request, &activity).await) });
        let connection = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            // It would end connections that wait for their next request.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = Box::new(connection);
        let graceful = http1::Connection::graceful_shutdown;
        finish(Pin::new(&mut *connection), graceful, stopping).await?;
        stream = connection.into_parts().io.into_inner();
        if !stream.rests() {
            return Ok(());
        }
    }
    Ok(stream.close().await?)
}

async fn serve_http2(
    stream: Stream,
    answers: Arc<Answers>,
    activity: Arc<Activity>,
    stopping: &mut watch::Receiver<()>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let service = service_fn(move |request| {
        let (answers, activity) = (Arc::clone(&answers), Arc::clone(&activity));
        async move { Ok::<_, Infallible>(answers.answer(request, &activity).await) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .serve_connection(TokioIo::new(stream), service);
    Ok(finish(pin!(connection), http2::Connection::graceful_shutdown, stopping).await?)
}

/// Runs the connection to its end, which `graceful` brings near as soon as `stopping` changes.
async fn finish<C: Future>(
    mut connection: Pin<&mut C>,
    graceful: fn(Pin<&mut C>),
    stopping: &mut watch::Receiver<()>,
) -> C::Output {
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        _ = stopping.changed() => {}
    }
    graceful(connection.as_mut());
    connection.await
}
