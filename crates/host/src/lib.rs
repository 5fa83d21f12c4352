//! A node's hardware as the kernel shows it, under a root folder.
//!
//! [`Host`] is the only way in which the project opens a path of the node: `/sys/class/drm` means that folder below the
//! root, whether the root is `/` (the real node) or a folder that holds a simulated one. No path leaves the root, not
//! by `..` and not by a symbolic link. Names come back sorted, values trimmed, errors with the operation and the path.
//!
//! Everything here is synchronous and reads and writes small files; nothing is cached.

mod attribute;
mod below;
pub mod device_node;
mod folder;
mod inotify;
mod metadata;
pub mod numa;
mod numbered;
pub mod pci;
pub mod plan;
mod reads;
mod root;
#[cfg(test)]
mod tree;
pub mod uevent;
pub mod watch;
mod write;

pub use attribute::ParseError;
pub use below::open_below;
pub use device_node::DeviceNumber;
pub use folder::Folder;
pub use metadata::{Kind, Metadata, Room};
pub use numbered::number_of;
pub use pci::{PciAddress, PciFunction, PciId};
pub use plan::Plan;
pub use reads::{Reads, name_matches};
pub use root::{Host, HostError};
pub use write::Attributes;
