//! The embedded kubelet behaves as the kubelet does, told from a device plugin's side.

#[cfg(test)]
mod kubelet {
    mod admission;
    mod faults;
    mod lists;
    mod plugin;
    mod registration;
    mod restart;
    mod topology;
}
