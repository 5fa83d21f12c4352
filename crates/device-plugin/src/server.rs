//! What a plugin answers to the kubelet for one resource: the `DevicePlugin` service.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use host::Host;
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response};

use crate::api::device_plugin_server::DevicePlugin as DevicePluginService;
use crate::cdi::CdiFolder;
use crate::metrics::Status;
use crate::{DevicePlugin, Refusal, Rescan, Resource, allocation, api, policy};

/// What all resources of a plugin share.
#[derive(Debug)]
pub(crate) struct Shared<P> {
    pub(crate) plugin: P,
    pub(crate) host: Host,
    pub(crate) cdi: CdiFolder,
    pub(crate) status: Arc<Status>,
    pub(crate) rescan: Rescan,
}

impl<P: DevicePlugin> Shared<P> {
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
        let container_responses = request
            .get_ref()
            .container_requests
            .iter()
            .map(|container| {
                let choice = policy::Choice {
                    available: container.available_device_ids.iter().map(String::as_str).collect(),
                    must_include: container.must_include_device_ids.iter().map(String::as_str).collect(),
                    size: usize::try_from(container.allocation_size).unwrap_or_default(),
                };
                let device_ids = self.shared.plugin.prefer(&self.name, &choice);
                tracing::trace!("{}: prefer {device_ids:?} of {choice:?}", self.name);
                api::ContainerPreferredAllocationResponse { device_ids }
            })
            .collect();
        Ok(Response::new(api::PreferredAllocationResponse { container_responses }))
    }

    async fn allocate(
        &self,
        request: Request<api::AllocateRequest>,
    ) -> tonic::Result<Response<api::AllocateResponse>> {
        let started = Instant::now();
        let Shared { plugin, host, cdi, status, rescan } = &*self.shared;
        let resource = Arc::clone(&self.devices.borrow());
        let answer: Result<Vec<_>, Refusal> = request
            .get_ref()
            .container_requests
            .iter()
            .map(|container| {
                allocation::allocate(plugin, host, cdi, &self.name, &resource, &container.device_ids)
            })
            .collect();
        status.allocation(&self.name, answer.is_ok(), started.elapsed());
        let asked =
            || request.get_ref().container_requests.iter().flat_map(|container| &container.device_ids);
        match answer {
            Ok(container_responses) => {
                tracing::debug!("{}: allocated {:?}", self.name, asked().collect::<Vec<_>>());
                Ok(Response::new(api::AllocateResponse { container_responses }))
            }
            Err(refusal) => {
                tracing::warn!("{}: {refusal}", self.shared.full_name(&self.name));
                // The list may be older than the hardware: look again.
                rescan.request();
                Err(tonic::Status::failed_precondition(refusal.to_string()))
            }
        }
    }

    async fn pre_start_container(
        &self,
        request: Request<api::PreStartContainerRequest>,
    ) -> tonic::Result<Response<api::PreStartContainerResponse>> {
        let ids = request.into_inner().device_ids;
        let resource = Arc::clone(&self.devices.borrow());
        let shared = Arc::clone(&self.shared);
        let name = Arc::clone(&self.name);
        // A reset takes its time, and lists must go out meanwhile.
        let started = tokio::task::spawn_blocking(move || {
            allocation::known(&resource, &ids).and_then(|devices| shared.plugin.pre_start(&name, &devices))
        });
        match started.await {
            Ok(Ok(())) => Ok(Response::new(api::PreStartContainerResponse {})),
            Ok(Err(refusal)) => {
                tracing::warn!("{}: {refusal}", self.shared.full_name(&self.name));
                Err(tonic::Status::failed_precondition(refusal.to_string()))
            }
            Err(error) => Err(tonic::Status::internal(format!("preparing the devices broke off: {error}"))),
        }
    }
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
pub(crate) fn list(resource: &Resource) -> api::ListAndWatchResponse {
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
