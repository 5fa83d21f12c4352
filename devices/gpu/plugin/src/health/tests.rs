//! What all sources of health share, and the whole plugin on a simulated node for the tests of each.

use std::path::Path;

use device_plugin::{Manager, Paths, Rescan};
use host::PciAddress;
use simulator::SimulatedNode;
use simulator::kubelet::{Kubelet, Options};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Arc, Duration, Health, Instant, Snapshot, Trouble, Verdict, one_line, publish};

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

/// Waits until the plugin is told this.
pub(super) async fn told(health: &mut Health, is_it: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    // More than any GPU is watched for in these tests.
    let told = timeout(Duration::from_mins(2), health.wait_for(|snapshot| is_it(snapshot))).await;
    Arc::clone(&told.expect("it is told within two minutes").unwrap())
}

const CARD: PciAddress = PciAddress { domain: 0, bus: 3, device: 0, function: 0 };

/// A source that says what the test says.
struct Source {
    said: watch::Sender<Snapshot>,
    health: Health,
}

impl Source {
    fn start() -> Self {
        let mut sender = None;
        let health = publish(&Rescan::default(), |said| {
            sender = Some(said);
            std::future::pending()
        });
        Self { said: sender.unwrap(), health }
    }

    fn say(&self, verdict: Verdict) {
        self.said.send_replace(Snapshot { verdicts: [(CARD, verdict)].into(), indices: None });
    }

    /// Waits until the plugin is told this, and says for how long.
    async fn is_told(&mut self, is_it: impl Fn(&Verdict) -> bool) -> Duration {
        let asked = Instant::now();
        told(&mut self.health, |snapshot| snapshot.verdicts.get(&CARD).is_some_and(&is_it)).await;
        asked.elapsed()
    }
}

fn is_well(verdict: &Verdict) -> bool {
    *verdict == Verdict::Healthy
}

fn is_watched(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Unhealthy(trouble) if trouble.kind == "watched")
}

/// The clock is not the real one: it goes on when all wait.
#[tokio::test(start_paused = true)]
async fn a_gpu_that_is_watched_is_well_in_the_end_though_nothing_more_is_said() {
    let mut source = Source::start();
    for _ in 0..3 {
        source.say(Verdict::Unhealthy(Trouble::new("heat", "hot")));
        assert_eq!(source.is_told(|verdict| !is_well(verdict) && !is_watched(verdict)).await, Duration::ZERO);
        source.say(Verdict::Healthy);
        assert_eq!(source.is_told(|verdict| is_well(verdict) || is_watched(verdict)).await, Duration::ZERO);
    }
    source.is_told(is_watched).await;
    assert!(source.is_told(is_well).await >= Duration::from_mins(1));
}

#[tokio::test]
async fn a_source_ends_with_the_plugin_that_reads_it() {
    let Source { said, health } = Source::start();
    drop(health);
    timeout(Duration::from_mins(1), said.closed()).await.unwrap();
}

#[test]
fn texts_of_other_programs_are_short_and_one_line() {
    assert_eq!(one_line("device lost (0x70000001)"), "device lost (0x70000001)");
    assert_eq!(one_line("a\nb\t\u{1b}[31mc\u{85}\0"), "a b  [31mc  ");
    assert_eq!(one_line(&"ö".repeat(200)), "ö".repeat(200));
    assert_eq!(one_line(&"ö".repeat(201)), "ö".repeat(200) + "…");
}
