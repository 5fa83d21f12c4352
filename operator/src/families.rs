//! The families of devices that the operator knows: a new one is a line here.

use controller::Family;

/// In the order of their names.
pub(crate) const FAMILIES: &[Family] = &[gpu_operator::FAMILY];
