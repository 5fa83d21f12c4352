//! Kernel uevents: which device came, went or changed, as the kernel says it.
