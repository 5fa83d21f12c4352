//! What is measured, and how.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use simulator::kubelet::{EventKind, Kubelet, Options, PluginClient, State};
use simulator::{Profile, SimulatedNode};

use crate::figures::Samples;
use crate::process::Process;

const RESOURCE: &str = "gpu.intel.com/i915";
const SOCKET: &str = "gpu.intel.com-i915.sock";
const CARDS: usize = 8;
const NINTH_CARD: &str = "max-1550 as=card8 at=pci0000:d9/0000:d9:01.0/0000:da:00.0/0000:db:01.0 pci=0000:dc:00.0 card=8 \
                          render=136 bus=56320 mei=8 numa=1 cpus=52-103,156-207";
/// The reference looks every 5 s; what takes longer than this never comes.
const HOTPLUG_LIMIT: Duration = Duration::from_secs(7);

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The figures of one binary.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Milliseconds, as all durations here.
    pub(crate) register: Samples,
    pub(crate) first_list: Samples,
    pub(crate) hotplug: Samples,
    pub(crate) restart: Samples,
    pub(crate) allocate: Samples,
    pub(crate) idle_cpu_ms: f64,
    pub(crate) idle_lists: f64,
    pub(crate) rss_mb: f64,
    pub(crate) rss_shared_mb: f64,
    pub(crate) binary_mb: f64,
}

/// Where the kubelet's folder and the simulated node are.
#[derive(Debug)]
pub(crate) struct Place {
    node: PathBuf,
    kubelet: PathBuf,
    cdi: PathBuf,
    log: PathBuf,
}

impl Place {
    /// All below `folder`.
    pub(crate) fn below(folder: &Path) -> Self {
        let node = folder.join("node");
        Self {
            kubelet: node.join("var/lib/kubelet/device-plugins"),
            cdi: node.join("var/run/cdi"),
            node,
            log: folder.join("plugin.log"),
        }
    }

    /// The paths that the reference has built in.
    pub(crate) fn of_the_reference(folder: &Path) -> Self {
        Self {
            kubelet: "/var/lib/kubelet/device-plugins".into(),
            cdi: "/var/run/cdi".into(),
            ..Self::below(folder)
        }
    }
}

/// One binary on one node.
struct Bench<'a> {
    binary: &'a Path,
    /// Before all others.
    command: &'a [&'a str],
    /// It takes the flags of this project's plugins.
    is_ours: bool,
    place: &'a Place,
    kubelet: Kubelet,
    node: SimulatedNode,
}

/// Measures everything about `binary`.
pub(crate) async fn run(
    binary: &Path,
    command: &[&str],
    is_ours: bool,
    place: &Place,
    quick: bool,
) -> Outcome<Measured> {
    let node = SimulatedNode::create(&place.node, &Profile::builtin("max-1550-x8")?)?;
    let kubelet = Kubelet::start(&place.kubelet, Options::default())?;
    let mut bench = Bench { binary, command, is_ours, place, kubelet, node };
    let measured = bench.measure(quick).await;
    bench.kubelet.stop().await;
    std::fs::remove_dir_all(&place.node)?;
    measured.map_err(|error| {
        let log = std::fs::read_to_string(&place.log).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(20).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        format!("{}: {error}\nits log ends with:\n{}", binary.display(), tail.join("\n")).into()
    })
}

impl Bench<'_> {
    async fn measure(&mut self, quick: bool) -> Outcome<Measured> {
        let slow = !self.is_ours;
        let rounds = |full: usize| if quick || slow { full.div_ceil(10) } else { full };
        #[expect(clippy::cast_precision_loss, reason = "bytes of a file")]
        let mut measured =
            Measured { binary_mb: std::fs::metadata(self.binary)?.len() as f64 / 1e6, ..Measured::default() };
        self.say("starts");
        for _ in 0..rounds(30) {
            self.start_once(&mut measured).await?;
        }
        self.say("hotplug");
        self.hotplug(rounds(100), &mut measured).await?;
        self.say("kubelet restarts");
        self.restarts(rounds(50), &mut measured).await?;
        self.say("allocations");
        self.allocations(if quick { 200 } else { 2000 }, &mut measured).await?;
        self.say("idling");
        self.idle(Duration::from_secs(if quick { 5 } else { 30 }), &mut measured).await?;
        self.say("10,000 shared devices");
        measured.rss_shared_mb = self.shared().await?;
        Ok(measured)
    }

    fn say(&self, what: &str) {
        eprintln!("{}: {what}", self.binary.display());
    }

    fn start(&self, flags: &[&str]) -> Outcome<Process> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut args: Vec<String> = self.command.iter().map(|word| (*word).to_owned()).collect();
        args.extend(["-prefix".to_owned(), text(&self.place.node)]);
        if self.is_ours {
            args.extend(["-kubelet-dir".to_owned(), text(&self.place.kubelet)]);
            args.extend(["-cdi-dir".to_owned(), text(&self.place.cdi)]);
        }
        args.extend(flags.iter().map(|flag| (*flag).to_owned()));
        Ok(Process::start(self.binary, &args, &self.place.log)?)
    }

    /// Starts the plugin and waits until the kubelet has its `count` devices.
    async fn start_and_wait(&self, flags: &[&str], count: usize) -> Outcome<Process> {
        let plugin = self.start(flags)?;
        self.kubelet.wait_until(|state| state.allocatable(RESOURCE) == count).await?;
        Ok(plugin)
    }

    /// Ends the plugin and waits until the kubelet has noticed.
    async fn end(&self, plugin: Process) -> Outcome<()> {
        drop(plugin);
        self.kubelet.wait_until(|state| state.allocatable(RESOURCE) == 0).await?;
        Ok(())
    }

    async fn start_once(&self, measured: &mut Measured) -> Outcome<()> {
        let plugin = self.start_and_wait(&[], CARDS).await?;
        let state = self.kubelet.state();
        let since_start = |at: Instant| at.duration_since(plugin.started).as_secs_f64() * 1e3;
        measured
            .register
            .add(since_start(last(&state, |kind| matches!(kind, EventKind::Registered { .. }))?));
        measured.first_list.add(since_start(last(
            &state,
            |kind| matches!(kind, EventKind::List { devices, .. } if *devices == CARDS),
        )?));
        self.end(plugin).await
    }

    async fn hotplug(&mut self, rounds: usize, measured: &mut Measured) -> Outcome<()> {
        let plugin = self.start_and_wait(&[], CARDS).await?;
        for round in 0..rounds {
            let adds = round % 2 == 0;
            let before = Instant::now();
            if adds {
                self.node.add(NINTH_CARD)?;
            } else {
                self.node.remove("card8")?;
            }
            let count = CARDS + usize::from(adds);
            let seen = self.kubelet.wait_until(|state| state.allocatable(RESOURCE) == count);
            if tokio::time::timeout(HOTPLUG_LIMIT, seen).await.is_err() {
                eprintln!(
                    "{}: change {} was not seen within {HOTPLUG_LIMIT:?}",
                    self.binary.display(),
                    round + 1
                );
                break;
            }
            let at = last(&self.kubelet.state(), |kind| matches!(kind, EventKind::List { .. }))?;
            measured.hotplug.add(at.duration_since(before).as_secs_f64() * 1e3);
        }
        if self.node.devices().any(|device| device == "card8") {
            self.node.remove("card8")?;
        }
        self.end(plugin).await
    }

    async fn restarts(&mut self, rounds: usize, measured: &mut Measured) -> Outcome<()> {
        let plugin = self.start_and_wait(&[], CARDS).await?;
        for _ in 0..rounds {
            self.kubelet.restart().await?;
            self.kubelet.wait_until(|state| state.allocatable(RESOURCE) == CARDS).await?;
            let state = self.kubelet.state();
            let started = last(&state, |kind| matches!(kind, EventKind::Started))?;
            let registered = last(&state, |kind| matches!(kind, EventKind::Registered { .. }))?;
            measured.restart.add(registered.duration_since(started).as_secs_f64() * 1e3);
        }
        self.end(plugin).await
    }

    async fn allocations(&self, rounds: usize, measured: &mut Measured) -> Outcome<()> {
        let plugin = self.start_and_wait(&[], CARDS).await?;
        let client = PluginClient::connect(self.place.kubelet.join(SOCKET)).await?;
        for round in 0..rounds {
            let id = format!("card{}-0", round % CARDS);
            let before = Instant::now();
            client.allocate([id]).await?;
            measured.allocate.add(before.elapsed().as_secs_f64() * 1e3);
        }
        self.end(plugin).await
    }

    async fn idle(&self, time: Duration, measured: &mut Measured) -> Outcome<()> {
        let lists = |state: &State| state.resources.get(RESOURCE).map_or(0, |resource| resource.lists);
        let plugin = self.start_and_wait(&[], CARDS).await?;
        // Until what starting up leaves behind is gone: threads end when they have had nothing to do for 10 s.
        tokio::time::sleep(Duration::from_secs(12)).await;
        let (cpu_before, lists_before) = (plugin.cpu_time()?, lists(&self.kubelet.state()));
        tokio::time::sleep(time).await;
        let cpu = plugin.cpu_time()?.saturating_sub(cpu_before);
        let sent = lists(&self.kubelet.state()).saturating_sub(lists_before);
        let scale = 30.0 / time.as_secs_f64();
        measured.idle_cpu_ms = cpu.as_secs_f64() * 1e3 * scale;
        measured.idle_lists = f64::from(u32::try_from(sent)?) * scale;
        measured.rss_mb = plugin.peak_rss_kib()? / 1024.0;
        self.end(plugin).await
    }

    async fn shared(&self) -> Outcome<f64> {
        let plugin = self.start_and_wait(&["-shared-dev-num=1250"], CARDS * 1250).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let rss = plugin.peak_rss_kib()? / 1024.0;
        self.end(plugin).await?;
        Ok(rss)
    }
}

/// When the last event of a kind was.
fn last(state: &State, is: impl Fn(&EventKind) -> bool) -> Outcome<Instant> {
    let event = state.events.iter().rev().find(|event| is(&event.kind));
    Ok(event.ok_or("the kubelet saw no such event")?.at)
}
