//! XPU Manager's daemon (xpumd): a stream of all devices' states.

use device_plugin::{Rescan, error_chain};
use tokio::time::sleep;
use tonic::transport::Endpoint;

use super::{Backoff, Health, Publisher, Reachability, Verdict};

mod api {
    #![expect(clippy::pedantic, clippy::allow_attributes_without_reason, reason = "generated")]
    #![expect(unreachable_pub, unused_qualifications, reason = "generated")]
    #![cfg_attr(test, expect(clippy::allow_attributes, reason = "generated"))]

    tonic::include_proto!("deviceinfo");
}

use api::device_info_client::DeviceInfoClient;
use api::{DeviceHealth, DeviceHealthResponse, SeverityLevel, WatchDeviceHealthRequest};

const NAME: &str = "XPU Manager's daemon";

/// Listens to the daemon at `socket` from now on, however often it goes away.
pub(crate) fn follow(socket: &str, rescan: &Rescan) -> Health {
    let (publisher, health) = Publisher::new(rescan);
    let socket = socket.to_owned();
    tokio::spawn(async move {
        let mut reachability = Reachability::default();
        let mut backoff = Backoff::new();
        loop {
            let error = match listen(&socket, &publisher, &mut reachability, &mut backoff).await {
                Ok(()) => "it ended the stream".to_owned(),
                Err(error) => error,
            };
            reachability.lost(NAME, format!("{socket}: {error}"));
            sleep(backoff.next()).await;
        }
    });
    health
}

async fn listen(
    socket: &str,
    publisher: &Publisher,
    reachability: &mut Reachability,
    backoff: &mut Backoff,
) -> Result<(), String> {
    let endpoint = Endpoint::from_shared(format!("unix://{socket}")).map_err(|error| error_chain(&error))?;
    let channel = endpoint.connect().await.map_err(|error| error_chain(&error))?;
    let stream = DeviceInfoClient::new(channel).watch_device_health(WatchDeviceHealthRequest {}).await;
    let mut stream = stream.map_err(|status| error_chain(&status))?.into_inner();
    while let Some(message) = stream.message().await.map_err(|status| error_chain(&status))? {
        reachability.found(NAME);
        *backoff = Backoff::new();
        let mut snapshot = publisher.current();
        snapshot.verdicts.extend(verdicts(message));
        publisher.publish(snapshot);
    }
    Ok(())
}

/// The devices that a message speaks of; others keep their state.
fn verdicts(message: DeviceHealthResponse) -> impl Iterator<Item = (String, Verdict)> {
    message.devices.into_iter().filter_map(|device| {
        let address = device.info.as_ref()?.pci.as_ref()?.bdf.to_lowercase();
        Some((address, verdict(&device)))
    })
}

/// As the Go implementation of v0.36: a warning is enough.
fn verdict(device: &DeviceHealth) -> Verdict {
    let bad = device.health.iter().find(|status| status.severity() >= SeverityLevel::Warning);
    match bad {
        None => Verdict::Healthy,
        Some(status) => {
            let texts = [&status.name, &status.reason, &status.message];
            let texts: Vec<&str> =
                texts.iter().map(|text| text.as_str()).filter(|text| !text.is_empty()).collect();
            Verdict::Unhealthy(format!("XPU Manager reports {}", texts.join(": ")))
        }
    }
}

#[cfg(test)]
mod tests;
