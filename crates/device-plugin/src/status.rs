//! An HTTP server that shows how the plugins of a process are: `/healthz`, `/readyz`, `/metrics`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use pages::{Figures, Pages};
use tokio::net::TcpListener;

use crate::metrics::{self, Status};

/// Serves the status pages of `plugins`, asked for at each request, on `address` for ever; `process` adds the figures of the
/// process as a whole. Fails at once when the address can't be used.
pub async fn serve(
    address: SocketAddr,
    process: impl Fn(&mut Figures) + Send + Sync + 'static,
    plugins: impl Fn() -> Vec<Arc<Status>> + Send + Sync + 'static,
) -> io::Result<Infallible> {
    let listener = TcpListener::bind(address).await?;
    let plugins = Arc::new(plugins);
    let [health, readiness, figures] = [Arc::clone(&plugins), Arc::clone(&plugins), plugins];
    let pages = Pages::default()
        .verdict("/healthz", move || metrics::why_to_restart(&health()))
        .verdict("/readyz", move || readiness().iter().filter_map(|plugin| plugin.not_ready()).collect())
        .text("/metrics", move || metrics::render(figures().iter().map(|plugin| &**plugin), &process));
    Ok(pages::serve(listener, pages).await)
}
