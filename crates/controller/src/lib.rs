//! The operator without its devices: custom resources that each stand for a DaemonSet of a device plugin, and what keeps the one in
//! the shape of the other.
//!
//! A family of devices implements [`DevicePlugin`] for its custom resource; [`Family::of`] is its line in the operator's table.
//! Everything else works on that table: [`image`] knows which images are wanted, [`admission`] knows defaults and what is wrong with
//! objects, which [`webhooks`] answers the API server, [`run()`] keeps the DaemonSets, on the replica that has the [`lease`].

pub mod admission;
mod apply;
mod ask;
mod common;
mod compare;
mod conditions;
mod content;
mod family;
mod fence;
mod fields;
pub mod image;
pub mod init;
pub mod lease;
mod metrics;
mod nodes;
mod object;
mod pods;
mod reasons;
mod reconcile;
mod run;
mod shape;
mod stall;
mod status;
mod stores;
mod template;
mod upgrade;
mod watch;
mod webhooks;

pub use common::{Common, EnvironmentVariable, Metrics, PullPolicy, Resources};
pub use family::{DevicePlugin, Family, ImageField, Settings, SpecError, definition};
pub use fence::{Fence, Lost};
pub use metrics::ReconcileMetrics;
pub use nodes::ResourceSummary;
pub use run::run;
pub use status::{Reference, Status};
pub use template::Template;
pub use webhooks::webhooks;

/// The version of the images that the operator deploys where an object names none, and the lowest that an object may name: what
/// runs on a node is never older than what made its DaemonSet. The operator's own.
pub const IMAGE_VERSION: &str = env!("CARGO_PKG_VERSION");
/// The group of the custom resources.
pub const GROUP: &str = "deviceplugin.intel.com";
