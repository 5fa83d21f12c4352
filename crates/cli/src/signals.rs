//! The signals that ask a process to end.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Completes on SIGTERM, which the kubelet sends to end a container, or SIGINT, which a terminal sends.
///
/// From the call of this function on, not only while its result is awaited, these signals end the process no
/// longer. A process with id 1, as in a container, would not even end on SIGTERM without a handler.
///
/// # Panics
/// Outside of a tokio runtime with I/O enabled.
pub fn terminated() -> impl Future<Output = ()> {
    let terminate = listen(SignalKind::terminate(), "SIGTERM");
    let interrupt = listen(SignalKind::interrupt(), "SIGINT");
    async {
        let name = tokio::select! {
            name = received(terminate, "SIGTERM") => name,
            name = received(interrupt, "SIGINT") => name,
        };
        tracing::info!("received {name}, stopping");
    }
}

fn listen(kind: SignalKind, name: &str) -> Option<Signal> {
    signal(kind)
        .inspect_err(|error| tracing::warn!(%error, "cannot handle {name}, it will end the process at once"))
        .ok()
}

/// Waits for ever without a handler: the signal then acts by itself.
async fn received(signal: Option<Signal>, name: &'static str) -> &'static str {
    if let Some(mut signal) = signal
        && signal.recv().await.is_some()
    {
        return name;
    }
    std::future::pending().await
}
