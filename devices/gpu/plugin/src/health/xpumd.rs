//! XPU Manager's daemon (xpumd): a stream of all devices' states.

use device_plugin::Rescan;
use host::PciAddress;
use tokio::time::{Instant, sleep};
use tonic::transport::Endpoint;

use super::{Backoff, Health, Publisher, Reachability, Verdict, reason, root_cause};

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
        tokio::select! {
            () = publisher.unread() => {}
            () = listen_again_and_again(&socket, &publisher) => {}
        }
    });
    health
}

async fn listen_again_and_again(socket: &str, publisher: &Publisher) {
    let mut reachability = Reachability::default();
    let mut backoff = Backoff::new();
    loop {
        let begun = Instant::now();
        let error = match listen(socket, publisher, &mut reachability).await {
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

async fn listen(socket: &str, publisher: &Publisher, reachability: &mut Reachability) -> Result<(), String> {
    let endpoint = Endpoint::from_shared(format!("unix://{socket}")).map_err(|error| root_cause(&error))?;
    let channel = endpoint.connect().await.map_err(|error| root_cause(&error))?;
    let stream = DeviceInfoClient::new(channel).watch_device_health(WatchDeviceHealthRequest {}).await;
    let mut stream = stream.map_err(|status| reason(&status))?.into_inner();
    while let Some(message) = stream.message().await.map_err(|status| reason(&status))? {
        reachability.found(NAME);
        let mut snapshot = publisher.current();
        snapshot.verdicts.extend(verdicts(message));
        publisher.publish(snapshot);
    }
    Ok(())
}

/// The devices that a message speaks of; others keep their state.
fn verdicts(message: DeviceHealthResponse) -> impl Iterator<Item = (PciAddress, Verdict)> {
    message.devices.into_iter().filter_map(|device| {
        let address = device.info.as_ref()?.pci.as_ref()?.bdf.parse().ok()?;
        Some((address, verdict(&device)))
    })
}

/// As the Go implementation of v0.36: a warning is enough.
fn verdict(device: &DeviceHealth) -> Verdict {
    // As numbers: a level that a later daemon adds is no better than these.
    let bad = device.health.iter().find(|status| status.severity >= SeverityLevel::Warning.into());
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
