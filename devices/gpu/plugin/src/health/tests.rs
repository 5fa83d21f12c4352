//! What all sources of health share, and the whole plugin on a simulated node for the tests of each.

use std::path::Path;

use device_plugin::{Manager, Paths, Rescan};
use host::PciAddress;
use simulator::SimulatedNode;
use simulator::kubelet::{Kubelet, Options};
use tokio::sync::watch;

use super::{Publisher, Snapshot, Verdict};

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
        let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        let rescan = Rescan::default();
        let plugin = crate::parse(&flags).unwrap()(&node.host(), &rescan);
        cli::plugin::spawn(Manager::new(plugin, node.host(), paths, rescan), stopped);
        Self { kubelet, _stop: stop }
    }
}

#[test]
fn a_temperature_that_rises_on_is_no_news_but_another_trouble_is() {
    let card = PciAddress { domain: 0, bus: 3, device: 0, function: 0 };
    let (publisher, mut health) = Publisher::new(&Rescan::default());
    let mut is_news = |reason: &str| {
        let verdict = Verdict::Unhealthy(reason.to_owned());
        publisher.publish(Snapshot { verdicts: [(card, verdict)].into(), indices: None });
        let news = health.has_changed().unwrap();
        health.mark_unchanged();
        news
    };
    assert!(is_news("GPU temperature 105 °C is above the limit of 100 °C"));
    assert!(!is_news("GPU temperature 106 °C is above the limit of 100 °C"));
    assert!(is_news("memory temperature 106 °C is above the limit of 100 °C"));
    assert!(is_news("Level Zero reports bad memory"));
    publisher.publish(Snapshot { verdicts: [(card, Verdict::Healthy)].into(), indices: None });
    assert!(is_news("Level Zero reports bad memory"));
}
