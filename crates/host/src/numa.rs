//! Which NUMA nodes a device is near to.

use std::path::Path;

use crate::{Host, HostError};

/// The NUMA nodes that the device nodes `paths` are near to, sorted and without duplicates. Empty where the machine has
/// one node only, or the device no place (a virtual device).
pub fn of_device_nodes<P: AsRef<Path>>(_host: &Host, _paths: &[P]) -> Result<Vec<u32>, HostError> {
    Ok(Vec::new()) // PLACEHOLDER
}
