//! The kubelet's device plugin API, `v1beta1`, generated from `proto/deviceplugin.proto`.
#![expect(missing_docs, clippy::pedantic, clippy::allow_attributes, clippy::allow_attributes_without_reason)]
#![expect(unused_qualifications, reason = "generated code")]

tonic::include_proto!("v1beta1");

/// The version that a plugin registers with.
pub const VERSION: &str = "v1beta1";
/// `Device.health` of a device that may be handed out.
pub const HEALTHY: &str = "Healthy";
/// `Device.health` of a device that may not.
pub const UNHEALTHY: &str = "Unhealthy";
/// The kubelet's socket, in the folder of [`crate::Paths::kubelet`].
pub const KUBELET_SOCKET: &str = "kubelet.sock";
/// The longest message that the kubelet receives: gRPC's default.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
