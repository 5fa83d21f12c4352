//! The kubelet's Pod Resources API, `v1`, generated from `proto/podresources.proto`: which pod has which devices
//! (<https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/#monitoring-device-plugin-resources>).
#![expect(missing_docs, clippy::pedantic, clippy::allow_attributes, clippy::allow_attributes_without_reason)]
#![expect(unused_qualifications, reason = "generated code")]

tonic::include_proto!("v1");

/// Where the kubelet serves it.
pub const SOCKET: &str = "/var/lib/kubelet/pod-resources/kubelet.sock";
/// The longest answer that is read, as much as the kubelet's own client reads.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;
