//! What a plugin answers to the kubelet for one resource: the `DevicePlugin` service.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use host::Host;
use prost::Message as _;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response};

use crate::api::device_plugin_server::DevicePlugin as DevicePluginService;
use crate::cdi::CdiFolder;
use crate::metrics::Status;
use crate::{DevicePlugin, Refusal, Rescan, Resource, allocation, api, policy};

/// Calls of one plugin that are answered at the same time. More wait, so that drivers that hang take no more threads.
const MAX_CALLS: usize = 3;
/// The threads of tokio's blocking pool that one plugin takes at most: those of its calls, one for discovery, and one for what
/// the plugin itself watches beside.
pub const MAX_BLOCKING_THREADS: usize = MAX_CALLS + 2;
/// Milliseconds are the rule.
const PATIENCE: Duration = Duration::from_secs(10);

/// What all resources of a plugin share.
#[derive(Debug)]
pub(crate) struct Shared<P> {
    pub(crate) plugin: P,
    pub(crate) host: Host,
    pub(crate) cdi: CdiFolder,
    pub(crate) status: Arc<Status>,
    pub(crate) rescan: Rescan,
    calls: Arc<Semaphore>,
}

impl<P: DevicePlugin> Shared<P> {
    pub(crate) fn new(plugin: P, host: Host, cdi: CdiFolder, rescan: Rescan) -> Self {
        let status = Arc::new(Status::new(plugin.namespace()));
        Self { plugin, host, cdi, status, rescan, calls: Arc::new(Semaphore::new(MAX_CALLS)) }
    }

    pub(crate) fn full_name(&self, resource: &str) -> String {
        format!("{}/{resource}", self.plugin.namespace())
    }

    pub(crate) fn options(&self) -> api::DevicePluginOptions {
        let capabilities = self.plugin.capabilities();
        api::DevicePluginOptions {
            pre_start_required: capabilities.pre_starts,
            get_preferred_allocation_available: capabilities.prefers,
        }
    }
}

/// Serves one resource for as long as `stop` is false.
#[derive(Debug)]
pub(crate) struct ResourceService<P> {
    pub(crate) shared: Arc<Shared<P>>,
    /// The name after the slash.
    pub(crate) name: Arc<str>,
    pub(crate) devices: watch::Receiver<Arc<Resource>>,
    /// How many list streams are open.
    pub(crate) streams: watch::Sender<usize>,
    pub(crate) stop: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl<P: DevicePlugin> DevicePluginService for ResourceService<P> {
    type ListAndWatchStream = Pin<Box<dyn Stream<Item = tonic::Result<api::ListAndWatchResponse>> + Send>>;

    async fn get_device_plugin_options(
        &self,
        _request: Request<api::Empty>,
    ) -> tonic::Result<Response<api::DevicePluginOptions>> {
        Ok(Response::new(self.shared.options()))
    }

    /// Every stream follows the latest list by itself: a slow or dead one delays nothing and takes nothing from another.
    async fn list_and_watch(
        &self,
        _request: Request<api::Empty>,
    ) -> tonic::Result<Response<Self::ListAndWatchStream>> {
        let (sender, receiver) = mpsc::channel(1);
        let stream = ListStream {
            status: Arc::clone(&self.shared.status),
            name: Arc::clone(&self.name),
            devices: self.devices.clone(),
            stop: self.stop.clone(),
            open: OpenStream::new(&self.streams),
            sender,
        };
        tokio::spawn(stream.run());
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn get_preferred_allocation(
        &self,
        request: Request<api::PreferredAllocationRequest>,
    ) -> tonic::Result<Response<api::PreferredAllocationResponse>> {
        let name = Arc::clone(&self.name);
        let answer = self.on_a_thread("choosing devices", move |shared| {
            let prefer = |container: &api::ContainerPreferredAllocationRequest| {
                let choice = policy::Choice {
                    available: container.available_device_ids.iter().map(String::as_str).collect(),
                    must_include: container.must_include_device_ids.iter().map(String::as_str).collect(),
                    size: usize::try_from(container.allocation_size).unwrap_or_default(),
                };
                let device_ids = shared.plugin.prefer(&name, &choice);
                tracing::trace!("{name}: prefer {device_ids:?} of {choice:?}");
                api::ContainerPreferredAllocationResponse { device_ids }
            };
            request.get_ref().container_requests.iter().map(prefer).collect()
        });
        let container_responses = self.in_time(answer).await?;
        Ok(Response::new(api::PreferredAllocationResponse { container_responses }))
    }

    async fn allocate(
        &self,
        request: Request<api::AllocateRequest>,
    ) -> tonic::Result<Response<api::AllocateResponse>> {
        let started = Instant::now();
        let request = Arc::new(request.into_inner());
        let asked = Arc::clone(&request);
        let (name, resource) = (Arc::clone(&self.name), Arc::clone(&self.devices.borrow()));
        let answer = self.on_a_thread("allocating devices", move |Shared { plugin, host, cdi, .. }| {
            let allocate = |container: &api::ContainerAllocateRequest| {
                allocation::allocate(plugin, host, cdi, &name, &resource, &container.device_ids)
            };
            asked.container_requests.iter().map(allocate).collect::<Result<Vec<_>, Refusal>>()
        });
        let answer =
            self.in_time(answer).await.and_then(|answer| answer.map_err(|refusal| refused(&refusal)));
        self.shared.status.allocation(&self.name, answer.is_ok(), started.elapsed());
        match answer {
            Ok(container_responses) => {
                let ids = request.container_requests.iter().flat_map(|container| &container.device_ids);
                tracing::debug!("{}: allocated {:?}", self.name, ids.collect::<Vec<_>>());
                Ok(Response::new(api::AllocateResponse { container_responses }))
            }
            Err(status) => {
                tracing::warn!("{}: {}", self.shared.full_name(&self.name), status.message());
                // The list may be older than the hardware: look again.
                self.shared.rescan.request();
                Err(status)
            }
        }
    }

    async fn pre_start_container(
        &self,
        request: Request<api::PreStartContainerRequest>,
    ) -> tonic::Result<Response<api::PreStartContainerResponse>> {
        let ids = request.into_inner().device_ids;
        let (name, resource) = (Arc::clone(&self.name), Arc::clone(&self.devices.borrow()));
        let started = self.on_a_thread("preparing the devices", move |shared| {
            allocation::known(&resource, &ids).and_then(|devices| shared.plugin.pre_start(&name, &devices))
        });
        // A reset takes its time; the kubelet waits 30 s for it, and says so itself.
        let started = started.await.and_then(|started| started.map_err(|refusal| refused(&refusal)));
        if let Err(status) = &started {
            tracing::warn!("{}: {}", self.shared.full_name(&self.name), status.message());
        }
        started.map(|()| Response::new(api::PreStartContainerResponse {}))
    }
}

impl<P: DevicePlugin> ResourceService<P> {
    /// Asks the plugin on a thread of its own: a driver that hangs in a read, or a bug, ends or delays this call and
    /// nothing else.
    async fn on_a_thread<T: Send + 'static>(
        &self,
        what: &str,
        ask: impl FnOnce(&Shared<P>) -> T + Send + 'static,
    ) -> tonic::Result<T> {
        let broke_off =
            |error: &dyn std::error::Error| tonic::Status::internal(format!("{what} broke off: {error}"));
        let calls = Arc::clone(&self.shared.calls);
        let permit = calls.acquire_owned().await.map_err(|error| broke_off(&error))?;
        let shared = Arc::clone(&self.shared);
        let answer = tokio::task::spawn_blocking(move || {
            let _until_it_returns = permit;
            ask(&shared)
        });
        answer.await.map_err(|error| broke_off(&error))
    }

    /// The kubelet itself waits for ever, and admits no pod meanwhile.
    async fn in_time<T>(&self, answer: impl Future<Output = tonic::Result<T>>) -> tonic::Result<T> {
        match timeout(PATIENCE, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(tonic::Status::deadline_exceeded(format!(
                "the hardware did not answer within {PATIENCE:?}: a driver may hang, see the node's kernel log"
            ))),
        }
    }
}

fn refused(refusal: &Refusal) -> tonic::Status {
    tonic::Status::failed_precondition(refusal.to_string())
}

/// One kubelet that listens to the list.
struct ListStream {
    status: Arc<Status>,
    name: Arc<str>,
    devices: watch::Receiver<Arc<Resource>>,
    stop: watch::Receiver<bool>,
    open: OpenStream,
    sender: mpsc::Sender<tonic::Result<api::ListAndWatchResponse>>,
}

impl ListStream {
    async fn run(mut self) {
        let mut sent: Option<Arc<Resource>> = None;
        loop {
            let room = tokio::select! {
                room = self.sender.reserve() => room,
                _ = self.stop.wait_for(|stop| *stop) => break,
            };
            // The list is read only when there is room for it, so what is sent is never older than that.
            let Ok(room) = room else { break };
            let current = Arc::clone(&self.devices.borrow_and_update());
            if sent.as_ref().is_none_or(|sent| !same_list(sent, &current)) {
                room.send(Ok(list(&current)));
                self.status.list_sent(&self.name);
                tracing::debug!("{}: sent the list of {} devices", self.name, current.devices.len());
                sent = Some(current);
            }
            tokio::select! {
                changed = self.devices.changed() => if changed.is_err() { break },
                _ = self.stop.wait_for(|stop| *stop) => break,
                () = self.sender.closed() => break,
            }
        }
        drop(self.open);
    }
}

/// Counts a stream while it lives.
struct OpenStream(watch::Sender<usize>);

impl OpenStream {
    fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// The list as the kubelet gets it.
pub fn list(resource: &Resource) -> api::ListAndWatchResponse {
    let devices = resource.devices.iter().map(|(id, device)| api::Device {
        id: id.clone(),
        health: if device.is_healthy() { api::HEALTHY } else { api::UNHEALTHY }.to_owned(),
        topology: device.spec.numa.as_ref().map(|nodes| api::TopologyInfo {
            nodes: nodes.iter().map(|id| api::NumaNode { id: i64::from(*id) }).collect(),
        }),
    });
    api::ListAndWatchResponse { devices: devices.collect() }
}

/// The size of the list in bytes.
pub(crate) fn list_bytes(resource: &Resource) -> usize {
    list(resource).encoded_len()
}

/// Whether the kubelet would see no difference.
fn same_list(a: &Resource, b: &Resource) -> bool {
    a.devices.len() == b.devices.len()
        && a.devices.iter().zip(&b.devices).all(|((id_a, a), (id_b, b))| {
            id_a == id_b && a.is_healthy() == b.is_healthy() && a.spec.numa == b.spec.numa
        })
}
