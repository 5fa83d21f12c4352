//! A device plugin that does what a test says, and tells what it was asked.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use device_plugin::api;
use device_plugin::api::device_plugin_server::{DevicePlugin, DevicePluginServer};
use device_plugin::api::registration_client::RegistrationClient;
use simulator::kubelet::{Kubelet, Options};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::Stream;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};

pub(super) const RESOURCE: &str = "color.example.com/paint";

/// A call that the kubelet made.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Call {
    Options,
    Lists,
    Prefer { available: Vec<String>, must_include: Vec<String>, size: i32 },
    Allocate(Vec<Vec<String>>),
    PreStart(Vec<String>),
}

/// What the plugin answers.
#[derive(Default)]
pub(super) struct Script {
    pub(super) options: api::DevicePluginOptions,
    pub(super) preferred: Option<Result<Vec<&'static str>, Status>>,
    pub(super) allocated: Option<Result<api::ContainerAllocateResponse, Status>>,
    pub(super) pre_started: Option<Status>,
    pub(super) options_fail: bool,
    pub(super) allocate_hangs: bool,
    pub(super) pre_start_hangs: bool,
}

pub(super) struct Plugin {
    folder: PathBuf,
    endpoint: String,
    served: Served,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Served {
    script: Arc<Mutex<Script>>,
    calls: Arc<Mutex<Vec<Call>>>,
    devices: watch::Sender<Vec<api::Device>>,
    stopped: watch::Receiver<bool>,
}

impl Plugin {
    /// Serves `devices` at the socket `endpoint` in `folder`.
    pub(super) fn serve(folder: &Path, endpoint: &str, devices: Vec<api::Device>) -> Self {
        let listener = UnixListener::bind(folder.join(endpoint)).unwrap();
        let stop = watch::Sender::new(false);
        let served = Served {
            script: Arc::default(),
            calls: Arc::default(),
            devices: watch::Sender::new(devices),
            stopped: stop.subscribe(),
        };
        let service = DevicePluginServer::new(served.clone()).max_encoding_message_size(usize::MAX);
        let incoming = UnixListenerStream::new(listener);
        let mut stopped = stop.subscribe();
        let task = tokio::spawn(async move {
            let stopped = async move { drop(stopped.wait_for(|stop| *stop).await) };
            Server::builder().serve_with_incoming_shutdown(service, incoming, stopped).await.unwrap();
        });
        Self { folder: folder.to_owned(), endpoint: endpoint.to_owned(), served, stop, task }
    }

    /// Registers as [`RESOURCE`].
    pub(super) async fn register(&self) -> Result<(), Status> {
        register(&self.folder, self.request(RESOURCE)).await
    }

    /// What it registers with.
    pub(super) fn request(&self, resource: &str) -> api::RegisterRequest {
        api::RegisterRequest {
            version: api::VERSION.to_owned(),
            endpoint: self.endpoint.clone(),
            resource_name: resource.to_owned(),
            options: Some(self.served.script.lock().unwrap().options),
        }
    }

    pub(super) fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.served.script.lock().unwrap());
    }

    pub(super) fn set_devices(&self, devices: Vec<api::Device>) {
        self.served.devices.send_replace(devices);
    }

    /// What the kubelet called so far.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.served.calls.lock().unwrap().clone()
    }

    /// The ids of each call of `Allocate`.
    pub(super) fn allocations(&self) -> Vec<Vec<String>> {
        let calls = self.calls().into_iter();
        calls.filter_map(|call| if let Call::Allocate(mut ids) = call { ids.pop() } else { None }).collect()
    }

    /// How many list streams are open.
    pub(super) fn streams(&self) -> usize {
        self.served.devices.receiver_count()
    }

    /// Ends all streams and leaves, with its socket.
    pub(super) async fn stop(self) {
        let _ = std::fs::remove_file(self.folder.join(&self.endpoint));
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }
}

/// Waits, but not for ever.
pub(super) async fn until(reached: impl Fn() -> bool) {
    let waiting = async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), waiting).await.expect("what was waited for did not come");
}

/// Calls `Register` on the kubelet's socket in `folder`.
pub(super) async fn register(folder: &Path, request: api::RegisterRequest) -> Result<(), Status> {
    let patience = Duration::from_secs(30);
    timeout(patience, call_register(folder, request)).await.expect("Register got no answer")
}

async fn call_register(folder: &Path, request: api::RegisterRequest) -> Result<(), Status> {
    let socket = folder.join(api::KUBELET_SOCKET);
    let channel = Endpoint::from_shared(format!("unix://{}", socket.display())).unwrap().connect().await;
    let channel = channel.map_err(|error| Status::unavailable(error.to_string()))?;
    RegistrationClient::new(channel).register(request).await.map(drop)
}

/// A kubelet in a folder that is removed with it.
pub(super) fn kubelet(options: Options) -> (Kubelet, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Kubelet::start(folder.path(), options).unwrap(), folder)
}

/// A kubelet with a plugin that has registered these devices.
pub(super) async fn kubelet_with(options: Options, devices: Vec<api::Device>) -> (Kubelet, Plugin, TempDir) {
    let (kubelet, folder) = kubelet(options);
    let count = devices.len();
    let plugin = Plugin::serve(folder.path(), "paint.sock", devices);
    plugin.register().await.unwrap();
    kubelet.wait_until(|state| state.capacity(RESOURCE) == count).await.unwrap();
    (kubelet, plugin, folder)
}

pub(super) fn healthy<const N: usize>(ids: [&str; N]) -> Vec<api::Device> {
    ids.map(|id| device(id, api::HEALTHY, &[])).into()
}

pub(super) fn device(id: &str, health: &str, numa: &[i64]) -> api::Device {
    let nodes: Vec<api::NumaNode> = numa.iter().map(|id| api::NumaNode { id: *id }).collect();
    let topology = if nodes.is_empty() { None } else { Some(api::TopologyInfo { nodes }) };
    api::Device { id: id.to_owned(), health: health.to_owned(), topology }
}

impl Served {
    fn called(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
    }

    fn asks(&self, question: impl FnOnce(&Script) -> bool) -> bool {
        question(&self.script.lock().unwrap())
    }
}

#[tonic::async_trait]
impl DevicePlugin for Served {
    type ListAndWatchStream = Pin<Box<dyn Stream<Item = tonic::Result<api::ListAndWatchResponse>> + Send>>;

    async fn get_device_plugin_options(
        &self,
        _request: Request<api::Empty>,
    ) -> tonic::Result<Response<api::DevicePluginOptions>> {
        self.called(Call::Options);
        if self.asks(|script| script.options_fail) {
            return Err(Status::internal("broken"));
        }
        Ok(Response::new(self.script.lock().unwrap().options))
    }

    async fn list_and_watch(
        &self,
        _request: Request<api::Empty>,
    ) -> tonic::Result<Response<Self::ListAndWatchStream>> {
        self.called(Call::Lists);
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let (mut devices, mut stopped) = (self.devices.subscribe(), self.stopped.clone());
        tokio::spawn(async move {
            let following = async {
                loop {
                    let list = api::ListAndWatchResponse { devices: devices.borrow_and_update().clone() };
                    if sender.send(Ok(list)).await.is_err() || devices.changed().await.is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                () = following => {}
                () = sender.closed() => {}
                _ = stopped.wait_for(|stop| *stop) => {}
            }
        });
        Ok(Response::new(Box::pin(tokio_stream::wrappers::ReceiverStream::new(receiver))))
    }

    async fn get_preferred_allocation(
        &self,
        request: Request<api::PreferredAllocationRequest>,
    ) -> tonic::Result<Response<api::PreferredAllocationResponse>> {
        let [container] = request.into_inner().container_requests.try_into().unwrap();
        self.called(Call::Prefer {
            available: container.available_device_ids,
            must_include: container.must_include_device_ids,
            size: container.allocation_size,
        });
        let preferred = self.script.lock().unwrap().preferred.clone().unwrap_or(Ok(Vec::new()))?;
        let device_ids = preferred.into_iter().map(str::to_owned).collect();
        let container_responses = vec![api::ContainerPreferredAllocationResponse { device_ids }];
        Ok(Response::new(api::PreferredAllocationResponse { container_responses }))
    }

    async fn allocate(
        &self,
        request: Request<api::AllocateRequest>,
    ) -> tonic::Result<Response<api::AllocateResponse>> {
        let ids: Vec<_> = request.into_inner().container_requests.into_iter().map(|c| c.device_ids).collect();
        self.called(Call::Allocate(ids.clone()));
        if self.asks(|script| script.allocate_hangs) {
            std::future::pending::<()>().await;
        }
        if let Some(answer) = self.script.lock().unwrap().allocated.clone() {
            return Ok(Response::new(api::AllocateResponse { container_responses: vec![answer?] }));
        }
        let container_responses = ids.into_iter().map(|ids| api::ContainerAllocateResponse {
            devices: ids.iter().map(|id| node(&format!("/dev/{id}"), &format!("/dev/{id}"))).collect(),
            ..Default::default()
        });
        Ok(Response::new(api::AllocateResponse { container_responses: container_responses.collect() }))
    }

    async fn pre_start_container(
        &self,
        request: Request<api::PreStartContainerRequest>,
    ) -> tonic::Result<Response<api::PreStartContainerResponse>> {
        self.called(Call::PreStart(request.into_inner().device_ids));
        if self.asks(|script| script.pre_start_hangs) {
            std::future::pending::<()>().await;
        }
        match self.script.lock().unwrap().pre_started.clone() {
            None => Ok(Response::new(api::PreStartContainerResponse {})),
            Some(status) => Err(status),
        }
    }
}

pub(super) fn node(host_path: &str, container_path: &str) -> api::DeviceSpec {
    api::DeviceSpec {
        host_path: host_path.to_owned(),
        container_path: container_path.to_owned(),
        permissions: "rw".to_owned(),
    }
}
