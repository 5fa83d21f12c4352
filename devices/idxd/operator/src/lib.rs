//! `DsaDevicePlugin` and `IaaDevicePlugin`: what an administrator says of a cluster's accelerators of the kernel's driver idxd, and the
//! DaemonSets that they stand for.

mod dsa;
mod iaa;
mod queues;

use controller::Family;

pub use dsa::{Driver, DsaDevicePlugin, DsaDevicePluginSpec};
pub use iaa::{IaaDevicePlugin, IaaDevicePluginSpec};
pub use queues::Queues;

/// The operator's line for DSA.
pub const DSA: Family = Family::of::<DsaDevicePlugin>();
/// The operator's line for IAA.
pub const IAA: Family = Family::of::<IaaDevicePlugin>();
