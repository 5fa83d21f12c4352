//! A framework for Kubernetes device plugins.
//!
//! Write [`DevicePlugin::discover`], a function from a node's hardware to a list of devices, and hand it to a
//! [`Manager`]. That does what is hard about a device plugin:
//!
//! - It looks at the hardware when the kernel or udev says that something changed, and now and then by itself.
//! - It registers every resource with the kubelet and does so again whenever it must: the kubelet was restarted, was not
//!   there yet, hung, dropped the list, or removed the socket.
//! - Each of the kubelet's list streams follows the latest list by itself. The first list is the real one, and nothing
//!   is sent when nothing changed.
//! - It checks an allocation against the hardware of that moment and refuses it with the reason.
//! - It writes Container Device Interface files and keeps them right.
//! - It says why a device is unhealthy or was left out, once, in the log, and in metrics.
//!
//! ```text
//! uevent / inotify / timer ──► discover(&host) ──► Inventory ──► one watch channel per resource
//!                                                                         │
//! kubelet ◄── ListAndWatch (latest value, never a queue) ◄────────────────┤
//! kubelet ──► Allocate / GetPreferredAllocation ──► the same Inventory ──► response
//! ```
//!
//! `examples/color.rs` is a whole plugin.

mod allocation;
pub mod api;
pub mod cdi;
mod changes;
mod checkpoint;
mod inventory;
mod kubelet_folder;
mod manager;
pub mod metrics;
mod offer;
mod plugin;
pub mod pod_resources;
pub mod policy;
mod readable;
mod registration;
mod served_socket;
mod server;
pub mod status;
mod wakeups;

pub use allocation::allocate;
pub use checkpoint::{Checkpoint, Held};
pub use inventory::{
    CdiDevice, CdiHook, ContainerEdits, Device, DeviceNode, DeviceSpec, Expectation, Filesystem, Health,
    Inventory, Mount, Resource, numa_or_nowhere,
};
pub use manager::{DeadMount, Manager, Paths};
pub use metrics::Status;
pub use offer::{Difference, Offer};
pub use plugin::{Capabilities, DevicePlugin, DiscoverError, Refusal, Triggers, error_chain};
pub use readable::Readable;
pub use registration::STREAM_GRACE;
pub use server::{MAX_BLOCKING_THREADS, list};
pub use wakeups::Rescan;
