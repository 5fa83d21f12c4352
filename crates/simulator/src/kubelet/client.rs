//! Calls a device plugin's socket, as the kubelet does.

use std::path::Path;

use device_plugin::api::device_plugin_client::DevicePluginClient;
use device_plugin::{api, error_chain};
use tonic::Status;
use tonic::transport::{Channel, Endpoint, Uri};

/// A connection to one socket of a device plugin, with the kubelet's limits: a message from the plugin may be 4 MiB long.
///
/// It is closed when the last clone, and the last list that came over it, is dropped.
#[derive(Debug, Clone)]
pub struct PluginClient {
    plugin: DevicePluginClient<Channel>,
}

impl PluginClient {
    /// Connects to the socket at `path`, once: an error says that nobody listens there.
    pub async fn connect(path: impl AsRef<Path>) -> Result<Self, Status> {
        let path = path.as_ref();
        let unreachable = |error: tonic::transport::Error| {
            Status::unavailable(format!("cannot connect to {}: {}", path.display(), error_chain(&error)))
        };
        let channel = Endpoint::from_shared(format!("unix://{}", path.display()))
            .map_err(unreachable)?
            // What the kubelet calls every plugin, whatever its socket's path.
            .origin(Uri::from_static("http://localhost"))
            .connect()
            .await
            .map_err(unreachable)?;
        let plugin = DevicePluginClient::new(channel)
            .max_decoding_message_size(api::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(usize::MAX);
        Ok(Self { plugin })
    }

    /// What the plugin wants to be asked.
    pub async fn options(&self) -> Result<api::DevicePluginOptions, Status> {
        Ok(self.plugin.clone().get_device_plugin_options(api::Empty {}).await?.into_inner())
    }

    /// The stream of lists; its `message` method waits for the next one.
    pub async fn lists(&self) -> Result<tonic::Streaming<api::ListAndWatchResponse>, Status> {
        Ok(self.plugin.clone().list_and_watch(api::Empty {}).await?.into_inner())
    }

    /// Which of the `available` devices one container should get. Those it `must_include` are among the available ones.
    pub async fn prefer(
        &self,
        available: impl IntoIterator<Item = impl Into<String>>,
        must_include: impl IntoIterator<Item = impl Into<String>>,
        size: usize,
    ) -> Result<Vec<String>, Status> {
        let container = api::ContainerPreferredAllocationRequest {
            available_device_ids: strings(available),
            must_include_device_ids: strings(must_include),
            allocation_size: i32::try_from(size).unwrap_or(i32::MAX),
        };
        let request = api::PreferredAllocationRequest { container_requests: vec![container] };
        let answer = self.plugin.clone().get_preferred_allocation(request).await?.into_inner();
        Ok(answer.container_responses.into_iter().next().unwrap_or_default().device_ids)
    }

    /// What one container gets with these devices.
    pub async fn allocate(
        &self,
        devices: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<api::ContainerAllocateResponse, Status> {
        let container = api::ContainerAllocateRequest { device_ids: strings(devices) };
        let request = api::AllocateRequest { container_requests: vec![container] };
        let answer = self.plugin.clone().allocate(request).await?.into_inner();
        let mut containers = answer.container_responses.into_iter();
        containers.next().ok_or_else(|| Status::unknown("no containers return in allocation response"))
    }

    /// Tells the plugin that a container with these devices is about to start.
    pub async fn pre_start(
        &self,
        devices: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<(), Status> {
        let request = api::PreStartContainerRequest { device_ids: strings(devices) };
        self.plugin.clone().pre_start_container(request).await.map(drop)
    }
}

fn strings(ids: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    ids.into_iter().map(Into::into).collect()
}
