//! The whole plugin on a simulated node, for the tests of each source of health.

use std::path::Path;

use device_plugin::Paths;
use simulator::SimulatedNode;
use simulator::kubelet::{Kubelet, Options};
use tokio::sync::watch;

/// The plugin and a kubelet; both end when this is dropped.
pub(super) struct Running {
    pub(super) kubelet: Kubelet,
    _stop: watch::Sender<bool>,
}

impl Running {
    /// `folder` gets the kubelet's files.
    pub(super) fn start(flags: &[&str], node: &SimulatedNode, folder: &Path) -> Self {
        let paths = Paths { kubelet: folder.join("kubelet"), cdi: folder.join("cdi") };
        let kubelet = Kubelet::start(&paths.kubelet, Options::default()).unwrap();
        let (stop, stopped) = watch::channel(false);
        let flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        crate::start(flags, node.host(), paths, stopped).unwrap();
        Self { kubelet, _stop: stop }
    }
}
