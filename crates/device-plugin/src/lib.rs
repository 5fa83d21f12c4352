//! A framework for Kubernetes device plugins.

pub mod api;
mod inventory;
mod plugin;
pub mod policy;

pub use inventory::{
    CdiDevice, CdiHook, ContainerEdits, Device, DeviceNode, DeviceSpec, Expectation, Health, Inventory, Mount, Resource,
};
pub use plugin::{Capabilities, DevicePlugin, DiscoverError, Refusal, Triggers, error_chain};
