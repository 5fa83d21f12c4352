//! XPU Manager's daemon, from what it says to the node and to pods. The test stands in its place on the node.

use std::fs;
use std::path::PathBuf;
use std::pin::Pin;

use e2e::pod;
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_stream::wrappers::{UnixListenerStream, WatchStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::Server;
use tonic::{Request, Response};

use crate::world::{I915, MONITORING, PLUGIN, World, XE, world};

mod api {
    #![expect(clippy::pedantic, clippy::allow_attributes_without_reason, reason = "generated")]
    #![expect(clippy::allow_attributes, unreachable_pub, unused_qualifications, reason = "generated")]

    tonic::include_proto!("deviceinfo");
}

use api::device_info_server::{DeviceInfo, DeviceInfoServer};
use api::{
    DeviceHealth, DeviceHealthResponse, DeviceInformation, HealthStatus, PciInfo, SeverityLevel,
    WatchDeviceHealthRequest,
};

/// The daemon, until it is dropped.
struct Daemon {
    socket: PathBuf,
    says: watch::Sender<DeviceHealthResponse>,
    _runtime: Runtime,
}

impl Daemon {
    fn start(world: &World, severity: SeverityLevel) -> Self {
        let socket = world.cluster.file("/run/xpumd/intelxpuinfo.sock");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (says, heard) = watch::channel(message(severity));
        let listener = {
            let _entered = runtime.enter();
            UnixListener::bind(&socket).unwrap()
        };
        let service = DeviceInfoServer::new(Service(heard));
        runtime.spawn(Server::builder().serve_with_incoming(service, UnixListenerStream::new(listener)));
        Self { socket, says, _runtime: runtime }
    }

    fn says(&self, severity: SeverityLevel) {
        self.says.send(message(severity)).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        fs::remove_file(&self.socket).unwrap();
    }
}

struct Service(watch::Receiver<DeviceHealthResponse>);

#[tonic::async_trait]
impl DeviceInfo for Service {
    type WatchDeviceHealthStream = Pin<Box<dyn Stream<Item = tonic::Result<DeviceHealthResponse>> + Send>>;

    async fn watch_device_health(
        &self,
        _: Request<WatchDeviceHealthRequest>,
    ) -> tonic::Result<Response<Self::WatchDeviceHealthStream>> {
        Ok(Response::new(Box::pin(WatchStream::new(self.0.clone()).map(Ok))))
    }
}

/// About the memory of the GPU on xe.
fn message(severity: SeverityLevel) -> DeviceHealthResponse {
    let pci = PciInfo { bdf: "0000:03:00.0".to_owned(), ..PciInfo::default() };
    let status = HealthStatus {
        name: "memory".to_owned(),
        severity: severity.into(),
        reason: "uncorrectable errors".to_owned(),
        message: "replace the card".to_owned(),
    };
    let info = DeviceInformation { pci: Some(pci), ..DeviceInformation::default() };
    DeviceHealthResponse { devices: vec![DeviceHealth { info: Some(info), health: vec![status] }] }
}

#[test]
fn what_xpu_manager_says_of_a_gpu_reaches_the_node_and_its_pods() {
    let Some(world) = world() else { return };
    world.apply("gpu_plugin/overlays/xpumd");
    world.kubernetes.wait_for_daemonset(PLUGIN, || world.state());
    let all_healthy = [(I915, 1, 1), (MONITORING, 1, 1), (XE, 1, 1)];
    world.expect(&all_healthy);
    world.expect_log(PLUGIN, &["XPU Manager's daemon", "cannot be asked"]);
    world.kubernetes.run(&pod("watched", &[(XE, 1)], "true"), || world.state());
    world.expect_health("watched", "Healthy");

    let daemon = Daemon::start(&world, SeverityLevel::Critical);
    let broken = [(I915, 1, 1), (MONITORING, 1, 1), (XE, 1, 0)];
    world.expect(&broken);
    world.expect_health("watched", "Unhealthy");
    world.expect_log(PLUGIN, &["card1", "memory: uncorrectable errors: replace the card"]);
    daemon.says(SeverityLevel::Ok);
    world.expect(&all_healthy);
    world.expect_health("watched", "Healthy");

    // A warning is told, and the GPU stays.
    daemon.says(SeverityLevel::Warning);
    world.expect_log(PLUGIN, &["W1", "memory: uncorrectable errors"]);
    world.expect(&all_healthy);

    daemon.says(SeverityLevel::Failed);
    world.expect(&broken);
    drop(daemon);
    world.expect_log(PLUGIN, &["XPU Manager's daemon", "cannot be asked"]);
    world.expect_health("watched", "Unhealthy");
    let _daemon = Daemon::start(&world, SeverityLevel::Ok);
    world.expect(&all_healthy);
    world.kubernetes.delete("watched");
    world.remove("gpu_plugin/overlays/xpumd");
}
