use std::path::Path;

use host::PciAddress;
use simulator::{Profile, SimulatedNode};
use tokio::net::UnixListener;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response};

use super::api::device_info_server::{DeviceInfo, DeviceInfoServer};
use super::api::{DeviceHealth, DeviceHealthResponse, SeverityLevel};
use super::*;
use crate::Verdict;
use crate::health::tests::{Running, told};

const CARD: PciAddress = PciAddress { domain: 0, bus: 0x3a, device: 0, function: 0 };

/// Sends one message to each client, and then keeps the stream open or ends it.
struct Daemon {
    message: DeviceHealthResponse,
    ends: bool,
}

type Messages =
    std::pin::Pin<Box<dyn tokio_stream::Stream<Item = tonic::Result<DeviceHealthResponse>> + Send>>;

#[tonic::async_trait]
impl DeviceInfo for Daemon {
    type WatchDeviceHealthStream = Messages;

    async fn watch_device_health(
        &self,
        _: Request<WatchDeviceHealthRequest>,
    ) -> tonic::Result<Response<Messages>> {
        let message = tokio_stream::once(Ok(self.message.clone()));
        Ok(Response::new(if self.ends {
            Box::pin(message)
        } else {
            Box::pin(message.merge(tokio_stream::pending()))
        }))
    }
}

fn message(severity: SeverityLevel, text: &str) -> DeviceHealthResponse {
    let pci = api::PciInfo { bdf: CARD.to_string(), ..api::PciInfo::default() };
    let info = api::DeviceInformation { pci: Some(pci), ..api::DeviceInformation::default() };
    let status = api::HealthStatus {
        name: "memory".to_owned(),
        severity: severity.into(),
        reason: "threshold".to_owned(),
        message: text.to_owned(),
    };
    DeviceHealthResponse { devices: vec![DeviceHealth { info: Some(info), health: vec![status] }] }
}

/// Serves at `socket` from now on, in place of who served there.
fn serve(socket: &Path, daemon: Daemon) {
    if socket.exists() {
        std::fs::remove_file(socket).unwrap();
    }
    let incoming = UnixListenerStream::new(UnixListener::bind(socket).unwrap());
    tokio::spawn(
        tonic::transport::Server::builder().serve_with_incoming(DeviceInfoServer::new(daemon), incoming),
    );
}

fn says(verdict: fn(&Verdict) -> bool) -> impl Fn(&Snapshot) -> bool {
    move |snapshot| snapshot.verdicts.get(&CARD).is_some_and(verdict)
}

#[tokio::test]
async fn a_daemon_that_comes_late_and_is_replaced_is_listened_to() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("xpum.sock");
    let mut health = follow(socket.to_str().unwrap(), Severity::Warning, &Rescan::default());
    assert!(health.borrow().verdicts.is_empty(), "nobody has said anything");
    serve(&socket, Daemon { message: message(SeverityLevel::Warning, ""), ends: true });
    told(&mut health, says(|verdict| *verdict != Verdict::Healthy)).await;
    serve(&socket, Daemon { message: message(SeverityLevel::Ok, ""), ends: false });
    told(&mut health, says(|verdict| *verdict == Verdict::Healthy)).await;
}

#[tokio::test]
async fn a_daemon_that_goes_away_leaves_the_last_state() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("xpum.sock");
    let bad = || message(SeverityLevel::Critical, "");
    // It ends each stream after its one message.
    serve(&socket, Daemon { message: bad(), ends: true });
    let mut health = follow(socket.to_str().unwrap(), Severity::Critical, &Rescan::default());
    told(&mut health, says(|verdict| *verdict != Verdict::Healthy)).await;
    // More than the client takes: as good as nothing.
    serve(&socket, Daemon { message: message(SeverityLevel::Ok, &"x".repeat(5 << 20)), ends: true });
    let other_card = || {
        let mut other = bad();
        other.devices[0].info.as_mut().unwrap().pci.as_mut().unwrap().bdf = "0000:01:00.0".to_owned();
        other
    };
    serve(&socket, Daemon { message: other_card(), ends: false });
    let snapshot = told(&mut health, |snapshot| snapshot.verdicts.len() == 2).await;
    assert!(snapshot.verdicts.values().all(|verdict| *verdict != Verdict::Healthy));
}

#[tokio::test]
async fn the_kubelet_takes_a_gpu_out_of_use_that_the_daemon_complains_of() {
    let folder = tempfile::tempdir().unwrap();
    let profile = Profile::builtin("max-1550-x8").unwrap();
    let node = SimulatedNode::create(folder.path().join("node"), &profile).unwrap();
    let socket = folder.path().join("xpum.sock");
    serve(&socket, Daemon { message: message(SeverityLevel::Critical, ""), ends: false });
    let flag = format!("-xpumd-endpoint={}", socket.display());
    let running = Running::start(&[&flag], &node, folder.path());
    let one_is_out = |state: &simulator::kubelet::State| {
        let resource = "gpu.intel.com/i915";
        state.capacity(resource) == 8 && state.allocatable(resource) == 7
    };
    running.kubelet.wait_until(one_is_out).await.unwrap();
    assert!(!running.kubelet.resources()["gpu.intel.com/i915"].devices["card2-0"].healthy);
}
