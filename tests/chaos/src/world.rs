//! A node, a kubelet and the plugin on it, for one scenario.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use simulator::kubelet::{Kubelet, Options, PluginClient, State};

use crate::hardware::{Families, Hardware};
use crate::oracle::{Asked, Checks, Lists, Usage, differences, lists};
use crate::plugin::{Plugin, usage, without_capabilities};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long the plugin may take to make things right again where it looks only now and then: it looks for lost events of the
/// kubelet's folder every 10 s. A guard for all else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);
/// After how long the kubelet forgets a resource whose plugin is gone and whose last device went meanwhile, which nobody
/// registers again: 5 minutes, but nobody is to wait for that here.
const GRACE: Duration = Duration::from_secs(5);
/// What is right must stay right: longer than a plugin waits for events that come together.
const STAYS: Duration = Duration::from_millis(40);
const CONTAINERS_TAKE: Duration = Duration::from_millis(200);

/// What is asked of a scenario.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) binary: PathBuf,
    pub(crate) seed: u64,
    pub(crate) rounds: usize,
    /// As in CI, where no minute is to be waited for.
    pub(crate) short: bool,
}

impl Order {
    /// Half of the seeds have a kubelet that tells two instances of a plugin apart, as only the newest do.
    pub(crate) fn kubelet_tells_instances_apart(&self) -> bool {
        self.seed % 2 == 1
    }
}

pub(crate) struct World {
    pub(crate) order: Order,
    families: Families,
    folder: tempfile::TempDir,
    pub(crate) hardware: Arc<Mutex<Hardware>>,
    pub(crate) kubelet: Kubelet,
    pub(crate) plugin: Option<Plugin>,
    pub(crate) random: fastrand::Rng,
    pub(crate) checks: Arc<Checks>,
    /// The longest that it took until the kubelet knew what is right.
    pub(crate) slowest: Duration,
    pub(crate) injected: BTreeMap<&'static str, u64>,
    /// Of the process after the first tenth of the rounds, and at the end.
    pub(crate) usage: [Option<Usage>; 2],
}

impl World {
    /// A node with all its devices, and a kubelet. No plugin runs yet.
    pub(crate) fn new(order: &Order, families: Families, options: Options) -> Outcome<Self> {
        // sysfs and devtmpfs are in memory, so the simulated ones are, too.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }?;
        let hardware = Hardware::new(&folder.path().join("node"), families)?;
        let options = Options { patience: PATIENCE, grace_period: GRACE, ..options };
        let kubelet = Kubelet::start(folder.path().join("kubelet"), options)?;
        fs::create_dir(folder.path().join("cdi"))?;
        // An empty file means all families with their defaults.
        fs::write(folder.path().join("config.yaml"), "")?;
        Ok(Self {
            order: order.clone(),
            families,
            folder,
            hardware: Arc::new(Mutex::new(hardware)),
            kubelet,
            plugin: None,
            random: fastrand::Rng::with_seed(order.seed),
            checks: Arc::default(),
            slowest: Duration::ZERO,
            injected: BTreeMap::new(),
            usage: [None; 2],
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn hardware(&self) -> MutexGuard<'_, Hardware> {
        lock(&self.hardware)
    }

    /// The plugin's command line.
    pub(crate) fn command(&self) -> Vec<String> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut words = vec![text(&self.order.binary)];
        match self.families {
            Families::Gpu => words.push("gpu".to_owned()),
            Families::All => {
                words.extend(["node".to_owned(), "-config".to_owned(), text(&self.path("config.yaml"))]);
            }
        }
        words.extend(["-prefix".to_owned(), text(self.hardware().root())]);
        words.extend(["-kubelet-dir".to_owned(), text(self.kubelet.folder())]);
        words.extend(["-cdi-dir".to_owned(), text(&self.path("cdi"))]);
        words
    }

    /// Starts the plugin.
    pub(crate) fn start(&self) -> Outcome<Plugin> {
        self.start_as(&without_capabilities(&self.command()))
    }

    /// Starts the plugin by these words.
    pub(crate) fn start_as(&self, words: &[String]) -> Outcome<Plugin> {
        Ok(Plugin::start(words, &self.path("log"))?)
    }

    pub(crate) fn inject(&mut self, what: &'static str) {
        *self.injected.entry(what).or_default() += 1;
    }

    /// Has a device come or go, and says which.
    pub(crate) fn toggle(&mut self) -> Outcome<usize> {
        let count = self.hardware().parts.len();
        let part = self.random.usize(..count);
        self.inject("device changes");
        self.hardware().toggle(part)?;
        Ok(part)
    }

    /// Has a few devices come or go.
    pub(crate) fn toggle_some(&mut self) -> Outcome<()> {
        (0..self.random.usize(1..4)).try_for_each(|_| self.toggle().map(drop))
    }

    /// The oracle at a quiet moment: the kubelet comes to know what the hardware says, by plugins that it listens to, and it stays so.
    pub(crate) async fn quiet(&mut self) -> Outcome<()> {
        let since = Instant::now();
        loop {
            self.agree().await?;
            self.slowest = self.slowest.max(since.elapsed());
            tokio::time::sleep(STAYS).await;
            let expected = self.hardware().lists();
            let state = self.kubelet.subscribe();
            let state = state.borrow();
            if !unconnected(&state, &expected).is_empty() && since.elapsed() < PATIENCE {
                // It was not quiet: a plugin had not noticed yet what befell it.
                continue;
            }
            let found = lists(&state);
            if found != expected {
                return Err(
                    format!("what was right did not stay:\n{}", differences(&found, &expected)).into()
                );
            }
            return Ok(());
        }
    }

    /// The same, but for its staying so.
    pub(crate) async fn agree(&mut self) -> Outcome<()> {
        let expected = self.hardware().lists();
        let is_right = |state: &State| lists(state) == expected && unconnected(state, &expected).is_empty();
        if self.kubelet.wait_until(is_right).await.is_err() {
            let state = self.kubelet.subscribe();
            let state = state.borrow();
            let (differences, nobody) =
                (differences(&lists(&state), &expected), unconnected(&state, &expected).join(", "));
            let why =
                format!("not right within {PATIENCE:?}: nobody is connected for [{nobody}]\n{differences}");
            return Err(why.into());
        }
        self.checks.check(Ok(()));
        self.checks.verdict()?;
        if let Some(plugin) = &mut self.plugin {
            plugin.check_alive()?;
        }
        Ok(())
    }

    /// Waits as long as a container runtime takes at least to start a container after another has ended.
    pub(crate) async fn as_a_runtime_waits(&self) {
        tokio::time::sleep(CONTAINERS_TAKE).await;
    }

    /// Asks for each device at a quiet moment: those that are there are allocated, the others refused.
    pub(crate) async fn allocate_all(&mut self) -> Outcome<()> {
        let count = self.hardware().parts.len();
        for part in 0..count {
            let is_there = self.hardware().is_there(part);
            let refused = self.ask(part).await;
            if let (Err(why), true) = (refused, is_there) {
                self.checks.check(Err(format!("a device that is there was refused: {why}")));
            }
        }
        Ok(self.checks.verdict()?)
    }

    /// Asks for one device, and has the answer judged; the error is why it was refused.
    pub(crate) async fn ask(&self, part: usize) -> Result<(), String> {
        let (socket, id) = match self.hardware().parts.get(part) {
            Some(part) => (self.kubelet.folder().join(socket_of(&part.resource)), part.id.clone()),
            None => return Ok(()),
        };
        let from = Instant::now();
        let answer = ask(&socket, &id).await;
        let refused = answer.as_ref().map(drop).map_err(|why| format!("{id}: {why}"));
        self.judge(part, &Asked { from, to: Instant::now(), answer });
        refused
    }

    fn judge(&self, part: usize, asked: &Asked) {
        let hardware = self.hardware();
        if let Some(part) = hardware.parts.get(part) {
            self.checks.judge(part, asked);
        }
    }

    /// Notes what the process uses after the first tenth of the rounds, and after the last.
    pub(crate) fn measure(&mut self, round: usize) -> Outcome<()> {
        match &self.plugin {
            None => Ok(()),
            Some(plugin) => self.measure_process(plugin.id(), round, self.order.rounds),
        }
    }

    /// The same of another process, which has that many rounds.
    pub(crate) fn measure_process(&mut self, pid: u32, round: usize, rounds: usize) -> Outcome<()> {
        let (first, last) = (rounds / 10, rounds - 1);
        if round == first {
            self.usage = [Some(self.usage_of(pid)?), None];
        }
        if round == last && last > first {
            let now = self.usage_of(pid)?;
            self.usage[1] = Some(now);
            if let Some(before) = self.usage[0] {
                self.checks.check(now.is_no_more_than(before));
            }
        }
        Ok(self.checks.verdict()?)
    }

    /// Of the descriptors those that are there whatever is offered: each resource has its socket and the kubelet's connection.
    fn usage_of(&self, pid: u32) -> std::io::Result<Usage> {
        let served = self.kubelet.subscribe().borrow().resources.values().filter(|one| one.connected).count();
        let mut usage = usage(pid)?;
        usage.descriptors = usage.descriptors.saturating_sub(2 * served as u64);
        Ok(usage)
    }

    /// Ends the plugin, which must go in peace and take its sockets along.
    pub(crate) fn end(&mut self) -> Outcome<()> {
        if let Some(plugin) = self.plugin.take() {
            plugin.end()?;
        }
        let left = fs::read_dir(self.kubelet.folder())?.flatten().map(|entry| entry.file_name());
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains(".intel.com-")).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("the plugin left {left:?} behind").into()) }
    }

    /// For failures: what the kubelet knows, and the end of the plugin's log.
    pub(crate) fn describe(&self) -> String {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n");
        format!("the kubelet: {}the plugin's log ends with:\n{tail}", self.kubelet.state())
    }
}

/// The resources with devices whose plugin is gone, though the kubelet may still know what was right.
fn unconnected(state: &State, expected: &Lists) -> Vec<String> {
    let is_connected = |name: &String| state.resources.get(name).is_some_and(|known| known.connected);
    expected.keys().filter(|name| !is_connected(name)).cloned().collect()
}

/// The name of a resource's socket, which is the Go implementation's.
pub(crate) fn socket_of(resource: &str) -> String {
    resource.replace('/', "-") + ".sock"
}

/// Asks the socket for one device, as the kubelet does.
pub(crate) async fn ask(socket: &Path, id: &str) -> Result<Vec<String>, String> {
    let client = PluginClient::connect(socket).await.map_err(|status| status.message().to_owned())?;
    let answer = client.allocate([id]).await.map_err(|status| status.message().to_owned())?;
    Ok(answer.devices.into_iter().map(|device| device.container_path).collect())
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
