//! XPU Manager's daemon (xpumd): a stream of all devices' states.

mod devices;

use device_plugin::Rescan;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tonic::transport::Endpoint;

use super::{Backoff, Health, Reachability, Snapshot, publish, reason, root_cause};
use crate::Severity;

mod api {
    #![expect(clippy::pedantic, clippy::allow_attributes_without_reason, reason = "generated")]
    #![expect(unreachable_pub, unused_qualifications, reason = "generated")]
    #![cfg_attr(test, expect(clippy::allow_attributes, reason = "generated"))]

    tonic::include_proto!("deviceinfo");
}

use api::WatchDeviceHealthRequest;
use api::device_info_client::DeviceInfoClient;
use devices::Devices;

const NAME: &str = "XPU Manager's daemon";

/// Listens to the daemon at `socket` from now on, however often it goes away. What is as bad as `threshold`, or worse, makes a
/// GPU unhealthy.
pub(crate) fn follow(socket: &str, threshold: Severity, rescan: &Rescan) -> Health {
    let socket = socket.to_owned();
    publish(rescan, |said| listen_again_and_again(socket, Devices::new(threshold), said))
}

async fn listen_again_and_again(socket: String, mut devices: Devices, said: watch::Sender<Snapshot>) {
    let mut reachability = Reachability::default();
    let mut backoff = Backoff::new();
    loop {
        let begun = Instant::now();
        let error = match listen(&socket, &mut devices, &said, &mut reachability).await {
            Ok(()) => "it ended the stream".to_owned(),
            Err(error) => error,
        };
        // Not at the first message: a daemon that fails after each one would be called without end.
        if begun.elapsed() > Backoff::LONGEST {
            backoff = Backoff::new();
        }
        reachability.lost(NAME, format!("{socket}: {error}"));
        sleep(backoff.next()).await;
    }
}

async fn listen(
    socket: &str,
    devices: &mut Devices,
    said: &watch::Sender<Snapshot>,
    reachability: &mut Reachability,
) -> Result<(), String> {
    let endpoint = Endpoint::from_shared(format!("unix://{socket}")).map_err(|error| root_cause(&error))?;
    let channel = endpoint.connect().await.map_err(|error| root_cause(&error))?;
    let stream = DeviceInfoClient::new(channel).watch_device_health(WatchDeviceHealthRequest {}).await;
    let mut stream = stream.map_err(|status| reason(&status))?.into_inner();
    while let Some(message) = stream.message().await.map_err(|status| reason(&status))? {
        reachability.found(NAME);
        devices.hear(message).log();
        said.send_replace(Snapshot { verdicts: devices.verdicts.clone(), indices: None });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
