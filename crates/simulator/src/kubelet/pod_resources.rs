//! The Pod Resources API: which pod has which devices. The real kubelet leaves out allocatable devices whose list of NUMA nodes
//! is empty; this one does not.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use device_plugin::pod_resources::pod_resources_lister_server::{
    PodResourcesLister, PodResourcesListerServer,
};
use device_plugin::pod_resources::{
    AllocatableResourcesRequest, AllocatableResourcesResponse, ContainerDevices, ContainerResources,
    ListPodResourcesRequest, ListPodResourcesResponse, PodResources,
};
use tokio::net::UnixListener;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::KubeletError;
use super::connection::Connection;
use super::process::{Process, Shared};

/// Pods here have names only.
const NAMESPACE: &str = "default";

struct Service(Arc<Shared>);

/// Makes the socket, in place of one that an earlier life left.
pub(super) fn listen(socket: &Path) -> Result<UnixListener, KubeletError> {
    let folder = socket.parent().unwrap_or(socket);
    fs::create_dir_all(folder).map_err(|e| KubeletError::new("make the folder", folder, e))?;
    // It need not be there.
    let _ = fs::remove_file(socket);
    UnixListener::bind(socket).map_err(|e| KubeletError::new("listen on", socket, e))
}

/// Answers for as long as this life lasts.
pub(super) fn serve(process: &Process, listener: UnixListener) {
    let cut = process.cut();
    let incoming = UnixListenerStream::new(listener)
        .map(move |accepted| accepted.map(|stream| Connection::new(stream, cut.clone())));
    let service = PodResourcesListerServer::new(Service(Arc::clone(&process.shared)));
    process.spawn(async move {
        if let Err(error) = Server::builder().serve_with_incoming(service, incoming).await {
            tracing::error!("the embedded kubelet tells no more which pod has which devices: {error}");
        }
    });
}

fn devices<'a>(resource: &str, ids: impl Iterator<Item = &'a String>) -> ContainerDevices {
    ContainerDevices { resource_name: resource.to_owned(), device_ids: ids.cloned().collect() }
}

#[tonic::async_trait]
impl PodResourcesLister for Service {
    async fn list(
        &self,
        _: Request<ListPodResourcesRequest>,
    ) -> Result<Response<ListPodResourcesResponse>, Status> {
        let state = self.0.state.borrow();
        let pods = state.pods.iter().map(|(pod, containers)| PodResources {
            name: pod.clone(),
            namespace: NAMESPACE.to_owned(),
            containers: containers
                .iter()
                .map(|(name, resources)| ContainerResources {
                    name: name.clone(),
                    devices: resources
                        .iter()
                        .map(|(resource, given)| devices(resource, given.devices.iter()))
                        .collect(),
                })
                .collect(),
        });
        Ok(Response::new(ListPodResourcesResponse { pod_resources: pods.collect() }))
    }

    async fn get_allocatable_resources(
        &self,
        _: Request<AllocatableResourcesRequest>,
    ) -> Result<Response<AllocatableResourcesResponse>, Status> {
        let state = self.0.state.borrow();
        let all = state.resources.iter().map(|(resource, known)| {
            let healthy = known.devices.iter().filter(|(_, device)| device.healthy);
            devices(resource, healthy.map(|(id, _)| id))
        });
        Ok(Response::new(AllocatableResourcesResponse { devices: all.collect() }))
    }
}
