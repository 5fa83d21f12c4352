//! How plugins come and go: `Register`, the call back within it, and the lists that follow.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use device_plugin::api;
use device_plugin::api::registration_server::Registration;
use tokio::time::{sleep, timeout};
use tonic::{Request, Response, Status};

use super::event::EventKind;
use super::name::is_extended_resource;
use super::process::{Endpoint, Process, lock};
use super::{PluginClient, RegisterFault};

/// Between attempts to reach a plugin, at first. As gRPC does in Go, it grows by 1.6.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// From the end of a list stream until a kubelet that does not tell instances apart holds the devices for gone. Milliseconds as a
/// rule; it may have other things to do.
const DISCONNECTING: Duration = Duration::from_millis(100);

/// The service on the kubelet's socket.
#[derive(Debug)]
pub(super) struct RegistrationService {
    pub(super) process: Arc<Process>,
}

#[tonic::async_trait]
impl Registration for RegistrationService {
    async fn register(&self, request: Request<api::RegisterRequest>) -> tonic::Result<Response<api::Empty>> {
        let request = request.into_inner();
        match self.process.register(&request).await {
            Ok(()) => Ok(Response::new(api::Empty {})),
            Err(reason) => {
                let resource = request.resource_name;
                self.process
                    .update(|state| state.log(EventKind::NotRegistered { resource, reason: reason.clone() }));
                Err(Status::unknown(reason))
            }
        }
    }
}

impl Process {
    /// The errors are the kubelet's.
    async fn register(self: &Arc<Self>, request: &api::RegisterRequest) -> Result<(), String> {
        let api::RegisterRequest { version, endpoint, resource_name: resource, .. } = request;
        let fault = self.next_register_fault();
        match &fault {
            Some(RegisterFault::Refuse(reason)) => return Err(reason.clone()),
            Some(RegisterFault::StopBeforeDial) => return self.die().await,
            _ => {}
        }
        if version != api::VERSION {
            let known = api::VERSION;
            return Err(format!(
                "requested API version {version:?} is not supported by kubelet. Supported version is [{known:?}]"
            ));
        }
        if !is_extended_resource(resource) {
            return Err(format!("the ResourceName {resource:?} is invalid"));
        }
        let (client, options) = match self.call_back(&self.shared.folder.join(endpoint)).await {
            Ok(plugin) => plugin,
            Err(error) => {
                self.lose_track(resource);
                return Err(error);
            }
        };
        self.update(|state| {
            state.log(EventKind::CalledBack { resource: resource.clone(), endpoint: endpoint.clone() });
        });
        match fault {
            Some(RegisterFault::StopBeforeAnswer) => return self.die().await,
            Some(RegisterFault::Hang(time)) => sleep(time).await,
            _ => {}
        }
        self.connected(resource, client, options);
        Ok(())
    }

    /// Never returns: the connection over which the plugin waits is cut.
    async fn die<T>(&self) -> T {
        self.kill();
        std::future::pending().await
    }

    async fn call_back(&self, socket: &Path) -> Result<(PluginClient, api::DevicePluginOptions), String> {
        let call = async {
            let mut pause = FIRST_PAUSE;
            let client = loop {
                match PluginClient::connect(socket).await {
                    Ok(client) => break client,
                    Err(_) => sleep(pause).await,
                }
                pause = pause.mul_f64(1.6);
            };
            match client.options().await {
                Ok(options) => Ok((client, options)),
                Err(status) => Err(format!("failed to get device plugin options: {}", rpc_error(&status))),
            }
        };
        // The kubelet's own limit ends when the plugin has begun to talk HTTP/2, which cannot be seen from here.
        let called = timeout(self.shared.options.dial_limit, call).await;
        called.unwrap_or_else(|_| Err("failed to dial device plugin: context deadline exceeded".to_owned()))
    }

    fn connected(self: &Arc<Self>, resource: &str, client: PluginClient, options: api::DevicePluginOptions) {
        let mut endpoints = lock(&self.endpoints);
        let reading = Arc::clone(self).read_lists(resource.to_owned(), client.clone());
        let Some(reader) = self.spawn(reading) else { return };
        let old =
            endpoints.insert(resource.to_owned(), Endpoint { client, reader, tracked: true, stopped: false });
        if let Some(old) = old.filter(|_| self.shared.options.tells_instances_apart) {
            old.reader.abort();
        }
        self.update(|state| {
            let known = state.resources.entry(resource.to_owned()).or_default();
            known.connected = true;
            known.stopped = None;
            known.forgotten = false;
            known.registrations += 1;
            known.options = Some(options);
            state.log(EventKind::Registered { resource: resource.to_owned() });
        });
    }

    async fn read_lists(self: Arc<Self>, resource: String, client: PluginClient) {
        let ended = self.read_until_the_end(&resource, client).await;
        let reason = ended.map_or_else(|status| rpc_error(&status), |()| "EOF".to_owned());
        self.stream_ended(&resource, reason);
    }

    async fn read_until_the_end(&self, resource: &str, client: PluginClient) -> Result<(), Status> {
        let mut faults = self.shared.faults.subscribe();
        let mut lists = client.lists().await?;
        loop {
            // The sender lives as long as this process.
            let _ = faults.wait_for(|faults| !faults.reads_no_lists).await;
            let Some(list) = lists.message().await? else { return Ok(()) };
            self.record(|state| {
                let known = state.resources.entry(resource.to_owned()).or_default();
                known.set_devices(list);
                let (devices, healthy) = (known.capacity(), known.allocatable());
                state.log(EventKind::List { resource: resource.to_owned(), devices, healthy });
            });
        }
    }

    /// The end of any instance's list counts as that of the latest; see [`Options::tells_instances_apart`].
    ///
    /// [`Options::tells_instances_apart`]: super::Options::tells_instances_apart
    fn stream_ended(self: &Arc<Self>, resource: &str, reason: String) {
        self.update(|state| state.log(EventKind::StreamEnded { resource: resource.to_owned(), reason }));
        if !lock(&self.endpoints).get(resource).is_some_and(|endpoint| endpoint.tracked) {
            return;
        }
        if self.shared.options.tells_instances_apart {
            self.disconnect(resource);
            return;
        }
        self.close(resource);
        self.update(|state| {
            if let Some(known) = state.resources.get_mut(resource) {
                known.connected = false;
            }
        });
        let (process, resource) = (Arc::clone(self), resource.to_owned());
        self.spawn(async move {
            sleep(DISCONNECTING).await;
            // Whoever has registered meanwhile is held for the one that has gone, and listened to all the same.
            if let Some(endpoint) = lock(&process.endpoints).get_mut(&resource) {
                endpoint.stopped = true;
            }
            process.stopped(&resource);
        });
    }

    /// Closes the connection to the plugin that registered last; false if there is none.
    pub(super) fn disconnect(self: &Arc<Self>, resource: &str) -> bool {
        let is_closed = self.close(resource);
        if is_closed {
            self.stopped(resource);
        }
        is_closed
    }

    fn close(&self, resource: &str) -> bool {
        let Some(endpoint) = lock(&self.endpoints).remove(resource) else { return false };
        endpoint.reader.abort();
        true
    }

    /// Holds all devices for gone, and in time the resource, unless somebody registers it.
    fn stopped(self: &Arc<Self>, resource: &str) {
        let now = Instant::now();
        self.update(|state| {
            if let Some(known) = state.resources.get_mut(resource) {
                known.set_stopped(now);
            }
        });
        self.forget_later(resource, now);
    }

    /// What kubelets do that do not tell instances apart: when one instance fails to register, the end of another's list
    /// is not noticed any more.
    fn lose_track(&self, resource: &str) {
        if !self.shared.options.tells_instances_apart
            && let Some(endpoint) = lock(&self.endpoints).get_mut(resource)
        {
            endpoint.tracked = false;
        }
    }
}

/// As the kubelet writes an error of a plugin's answer.
pub(super) fn rpc_error(status: &Status) -> String {
    format!("rpc error: code = {:?} desc = {}", status.code(), status.message())
}
