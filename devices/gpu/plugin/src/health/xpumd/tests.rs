use std::path::Path;
use std::sync::Arc;

use simulator::{Profile, SimulatedNode};
use tokio::net::UnixListener;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response};

use super::api::device_info_server::{DeviceInfo, DeviceInfoServer};
use super::*;
use crate::Snapshot;
use crate::health::tests::Running;

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

fn message(statuses: &[(SeverityLevel, &str)]) -> DeviceHealthResponse {
    let pci = api::PciInfo { bdf: CARD.to_string().to_uppercase(), ..api::PciInfo::default() };
    let info = api::DeviceInformation { pci: Some(pci), ..api::DeviceInformation::default() };
    let health = statuses.iter().map(|(severity, name)| api::HealthStatus {
        name: (*name).to_owned(),
        severity: (*severity).into(),
        reason: "threshold".to_owned(),
        message: String::new(),
    });
    DeviceHealthResponse { devices: vec![DeviceHealth { info: Some(info), health: health.collect() }] }
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

#[test]
fn a_warning_or_worse_makes_a_gpu_unhealthy() {
    use SeverityLevel::{Critical, Failed, Ok, Unknown, Warning};
    let of = |statuses: &[(SeverityLevel, &str)]| verdicts(message(statuses)).next().unwrap();
    assert_eq!(of(&[]), (CARD, Verdict::Healthy));
    assert_eq!(of(&[(Ok, "memory"), (Unknown, "fan")]).1, Verdict::Healthy);
    let reason = "XPU Manager reports memory: threshold".to_owned();
    for severity in [Warning, Critical, Failed] {
        assert_eq!(of(&[(Ok, "fan"), (severity, "memory")]).1, Verdict::Unhealthy(reason.clone()));
    }
    let mut later = message(&[(Failed, "memory")]);
    later.devices[0].health[0].severity = 17;
    assert_eq!(verdicts(later).next().unwrap().1, Verdict::Unhealthy(reason));
}

#[test]
fn devices_without_an_address_are_passed_over() {
    let mut message = message(&[(SeverityLevel::Failed, "memory")]);
    message.devices[0].info.as_mut().unwrap().pci.as_mut().unwrap().bdf = "card0".to_owned();
    assert_eq!(verdicts(message.clone()).count(), 0);
    message.devices[0].info = None;
    assert_eq!(verdicts(message).count(), 0);
}

#[tokio::test]
async fn a_daemon_that_comes_late_and_is_replaced_is_listened_to() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("xpum.sock");
    let mut health = follow(socket.to_str().unwrap(), &Rescan::default());
    serve(&socket, Daemon { message: message(&[(SeverityLevel::Warning, "memory")]), ends: true });
    let is = |verdict: fn(&Verdict) -> bool| {
        move |snapshot: &Arc<Snapshot>| snapshot.verdicts.get(&CARD).is_some_and(verdict)
    };
    health.wait_for(is(|verdict| *verdict != Verdict::Healthy)).await.unwrap();
    serve(&socket, Daemon { message: message(&[(SeverityLevel::Ok, "memory")]), ends: false });
    health.wait_for(is(|verdict| *verdict == Verdict::Healthy)).await.unwrap();
}

#[tokio::test]
async fn the_kubelet_takes_a_gpu_out_of_use_that_the_daemon_complains_of() {
    let folder = tempfile::tempdir().unwrap();
    let profile = Profile::builtin("max-1550-x8").unwrap();
    let node = SimulatedNode::create(folder.path().join("node"), &profile).unwrap();
    let socket = folder.path().join("xpum.sock");
    serve(&socket, Daemon { message: message(&[(SeverityLevel::Critical, "memory")]), ends: false });
    let flag = format!("-xpumd-endpoint={}", socket.display());
    let running = Running::start(&[&flag], &node, folder.path());
    let one_is_out = |state: &simulator::kubelet::State| {
        let resource = "gpu.intel.com/i915";
        state.capacity(resource) == 8 && state.allocatable(resource) == 7
    };
    running.kubelet.wait_until(one_is_out).await.unwrap();
    assert!(!running.kubelet.resources()["gpu.intel.com/i915"].devices["card2-0"].healthy);
}
