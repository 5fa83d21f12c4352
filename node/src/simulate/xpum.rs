//! The page of XPU Manager's metrics, for the sidecar that labels nodes with the links between their GPUs.

use std::error::Error;
use std::net::Ipv4Addr;

use host::Host;
use pages::Pages;
use tokio::net::TcpListener;

/// Serves the links of the node's GPUs on this port of 127.0.0.1, path `/metrics`, as long as the runtime works. Port 0: not.
pub(super) async fn serve(port: u64, host: Host) -> Result<(), Box<dyn Error>> {
    if port == 0 {
        return Ok(());
    }
    let number =
        u16::try_from(port).map_err(|_too_large| format!("-xpum-port is {port}: it must be 1 to 65535"))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number))
        .await
        .map_err(|error| format!("cannot listen on -xpum-port {port}: {error}"))?;
    let pages = Pages::default().text("/metrics", move || gpu_fakedev::links::page(&host));
    tokio::spawn(pages::serve(listener, pages));
    Ok(())
}
