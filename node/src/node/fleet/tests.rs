//! Families of one process, one of which is in trouble.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::sync::Condvar;
use std::time::Duration;

use simulator::kubelet::{Kubelet, Options, PluginClient};

use super::*;

mod families;

/// What a plugin does when it is asked for anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Offer(usize),
    Fail,
    Panic,
    Hang,
}

/// How a test directs a plugin.
struct Stage {
    act: Mutex<Act>,
    changed: Condvar,
    /// How often the plugin was asked.
    asked: watch::Sender<usize>,
}

impl Stage {
    fn new(act: Act) -> Arc<Self> {
        Arc::new(Self { act: Mutex::new(act), changed: Condvar::new(), asked: watch::Sender::new(0) })
    }

    fn set(&self, act: Act) {
        *self.act.lock().unwrap() = act;
        self.changed.notify_all();
    }

    /// Waits until the plugin was asked once more.
    async fn is_asked(&self, rescan: &Rescan) {
        let before = *self.asked.borrow();
        rescan.request();
        self.asked.subscribe().wait_for(|asked| *asked > before).await.unwrap();
    }

    fn play(&self) -> Result<usize, &'static str> {
        self.asked.send_modify(|asked| *asked += 1);
        let act = self.act.lock().unwrap();
        let act = *self.changed.wait_while(act, |act| *act == Act::Hang).unwrap();
        match act {
            Act::Offer(count) => Ok(count),
            Act::Fail => Err("out of order"),
            Act::Panic | Act::Hang => panic!("a bug in a plugin"),
        }
    }
}

/// Its thread would keep the test from ending, also when that fails.
struct Hanging(Arc<Stage>);

impl Hanging {
    fn begin(stage: &Arc<Stage>) -> Self {
        stage.set(Act::Hang);
        Self(Arc::clone(stage))
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.set(Act::Offer(1));
    }
}

/// Offers `NAME.example.com/unit`.
struct Player {
    namespace: String,
    stage: Arc<Stage>,
    folders: &'static [&'static str],
    took_over: Arc<Mutex<Vec<String>>>,
}

impl DevicePlugin for Player {
    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn triggers(&self) -> Triggers {
        Triggers { folders: self.folders, ..Triggers::default() }
    }

    fn discover(&self, _host: &Host) -> Result<Inventory, DiscoverError> {
        let count = self.stage.play().map_err(DiscoverError::new)?;
        let mut inventory = Inventory::default();
        for unit in 0..count {
            inventory.add("unit", unit.to_string(), Device::healthy(device_plugin::DeviceSpec::default()));
        }
        Ok(inventory)
    }

    fn allocate(
        &self,
        _resource: &str,
        _devices: &[(&str, &Device)],
        edits: ContainerEdits,
    ) -> Result<ContainerEdits, Refusal> {
        self.stage.play().map(|_| edits).map_err(Refusal::new)
    }

    fn take_over(&self, former: &dyn DevicePlugin) {
        self.took_over.lock().unwrap().push(former.namespace().to_owned());
    }
}

/// A fleet, a kubelet, and the families that are wanted.
struct World {
    folder: tempfile::TempDir,
    kubelet: Kubelet,
    fleet: Fleet,
    stages: BTreeMap<&'static str, Arc<Stage>>,
    took_over: Arc<Mutex<Vec<String>>>,
}

impl World {
    async fn with<const N: usize>(families: [(&'static str, Act); N]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::at(folder.path()).unwrap();
        let mut world = Self::on(host, folder);
        world.stages = families.map(|(name, act)| (name, Stage::new(act))).into();
        world.fleet.follow(world.wanted("", &[])).await;
        world
    }

    fn on(host: Host, folder: tempfile::TempDir) -> Self {
        let kubelet = Kubelet::start(folder.path().join("kubelet"), Options::default()).unwrap();
        let paths = Paths { kubelet: kubelet.folder().to_owned(), cdi: folder.path().join("cdi") };
        let fleet = Fleet::new(host, paths);
        Self { folder, kubelet, fleet, stages: BTreeMap::new(), took_over: Arc::default() }
    }

    /// All families with one flag, and what they listen to.
    fn wanted(&self, flag: &str, folders: &'static [&'static str]) -> Wanted {
        let start = |(name, stage): (&&'static str, &Arc<Stage>)| {
            let player = Player {
                namespace: format!("{name}.example.com"),
                stage: Arc::clone(stage),
                folders,
                took_over: Arc::clone(&self.took_over),
            };
            let start: cli::plugin::Start = Box::new(|_, _| Arc::new(player));
            (*name, (vec![flag.to_owned()], start))
        };
        self.stages.iter().map(start).collect()
    }

    /// Waits until the kubelet can hand out so many of a family.
    async fn offers(&self, name: &str, count: usize) {
        let resource = resource(name);
        self.kubelet.wait_until(|state| state.allocatable(&resource) == count).await.unwrap();
    }

    fn rescan(&self, name: &str) -> Rescan {
        self.fleet.running[name].rescan.clone()
    }

    fn registrations(&self, name: &str) -> u64 {
        u64::try_from(self.kubelet.resources()[&resource(name)].registrations).unwrap()
    }

    async fn client(&self, name: &str) -> PluginClient {
        let socket = resource(name).replace('/', "-") + ".sock";
        PluginClient::connect(self.folder.path().join("kubelet").join(socket)).await.unwrap()
    }
}

fn resource(name: &str) -> String {
    format!("{name}.example.com/unit")
}

/// The others' lists, allocations and registrations go on, and so does what the troubled one has offered.
#[tokio::test]
async fn a_family_in_trouble_leaves_the_others_alone() {
    for trouble in [Act::Hang, Act::Panic, Act::Fail] {
        let world = World::with([("a", Act::Offer(1)), ("b", Act::Offer(1))]).await;
        world.offers("a", 1).await;
        world.offers("b", 1).await;
        let hanging = Hanging::begin(&world.stages["a"]);
        world.stages["a"].set(trouble);
        world.stages["a"].is_asked(&world.rescan("a")).await;
        let (client, stage) = (world.client("a").await, Arc::clone(&world.stages["a"]));
        let asked = *stage.asked.borrow();
        let allocation = tokio::spawn(async move { client.allocate(["0"]).await });
        stage.asked.subscribe().wait_for(|now| *now > asked).await.unwrap();

        world.stages["b"].set(Act::Offer(2));
        world.rescan("b").request();
        world.offers("b", 2).await;
        world.client("b").await.allocate(["1"]).await.unwrap();
        assert_eq!(world.kubelet.state().allocatable(&resource("a")), 1, "{trouble:?}");
        assert_eq!(world.registrations("b"), 1);
        world.kubelet.restart().await.unwrap();
        world.offers("a", 1).await;
        world.offers("b", 2).await;
        drop(hanging);
        if trouble != Act::Hang {
            allocation.await.unwrap().unwrap_err();
        }
        world.fleet.stop().await;
    }
}

#[tokio::test]
async fn a_family_that_is_in_trouble_from_the_start_comes_when_it_can() {
    for trouble in [Act::Hang, Act::Panic, Act::Fail] {
        let world = World::with([("a", trouble), ("b", Act::Offer(1))]).await;
        let hanging = Hanging(Arc::clone(&world.stages["a"]));
        world.offers("b", 1).await;
        assert!(!world.kubelet.resources().contains_key(&resource("a")));
        drop(hanging);
        world.rescan("a").request();
        world.offers("a", 1).await;
    }
}

/// It ends within a second all the same.
#[tokio::test]
async fn a_family_that_hangs_does_not_keep_the_fleet_from_stopping() {
    let world = World::with([("a", Act::Offer(1)), ("b", Act::Offer(1))]).await;
    world.offers("a", 1).await;
    world.offers("b", 1).await;
    let _hanging = Hanging::begin(&world.stages["a"]);
    world.stages["a"].is_asked(&world.rescan("a")).await;
    world.fleet.stop().await;
    let names = std::fs::read_dir(world.kubelet.folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().contains("example.com")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn other_flags_are_taken_over_while_the_kubelet_has_the_resources() {
    let mut world = World::with([("a", Act::Offer(1)), ("b", Act::Offer(1))]).await;
    world.offers("a", 1).await;
    world.offers("b", 1).await;
    // The family has a new plugin, and that is told what was before.
    let stage = Stage::new(Act::Offer(3));
    world.stages.insert("a", stage);
    let mut wanted = world.wanted("-x", &[]);
    wanted.remove("b");
    wanted.extend(world.wanted("", &[]).into_iter().filter(|(name, _)| *name == "b"));
    world.fleet.follow(wanted).await;
    world.offers("a", 3).await;
    assert_eq!(*world.took_over.lock().unwrap(), ["a.example.com"]);
    assert_eq!((world.registrations("a"), world.registrations("b")), (1, 1));
}

/// DSA on another driver has other resources, and other things tell of them.
#[tokio::test]
async fn families_that_listen_to_other_things_now_start_anew() {
    let mut world = World::with([("a", Act::Offer(1)), ("b", Act::Offer(1)), ("c", Act::Offer(1))]).await;
    for family in ["a", "b", "c"] {
        world.offers(family, 1).await;
    }
    let mut wanted = world.wanted("-x", &["/dev/other"]);
    wanted.remove("c");
    wanted.extend(world.wanted("", &[]).into_iter().filter(|(name, _)| *name == "c"));
    world.fleet.follow(wanted).await;
    for family in ["a", "b"] {
        let name = resource(family);
        world.kubelet.wait_until(|state| state.resources[&name].registrations == 2).await.unwrap();
        world.offers(family, 1).await;
    }
    assert_eq!(*world.took_over.lock().unwrap(), ["a.example.com", "b.example.com"]);
    assert_eq!(world.registrations("c"), 1);
    // And they do listen.
    world.stages["a"].set(Act::Offer(2));
    std::fs::create_dir_all(world.folder.path().join("dev/other")).unwrap();
    world.offers("a", 2).await;
    assert_eq!(world.fleet.statuses().all().len(), 3);
}

#[tokio::test]
async fn one_familys_dead_mount_is_told_to_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let removed = folder.path().join("removed");
    std::fs::create_dir(&removed).unwrap();
    let kept = File::open(&removed).unwrap();
    std::fs::remove_dir(&removed).unwrap();
    let path: &'static str = Box::leak(format!("/proc/self/fd/{}", kept.as_raw_fd()).into_boxed_str());
    let mut world = World::on(Host::real(), folder);
    world.stages = [("a", Stage::new(Act::Offer(0))), ("b", Stage::new(Act::Offer(1)))].into();
    let mut wanted = world.wanted("", Box::leak(Box::new([path])));
    wanted.remove("b");
    wanted.extend(world.wanted("", &[]).into_iter().filter(|(name, _)| *name == "b"));
    let mut dead = world.fleet.dead_mounts();
    world.fleet.follow(wanted).await;
    let dead = tokio::time::timeout(Duration::from_mins(1), dead.wait_for(Option::is_some)).await;
    assert_eq!(*dead.unwrap().unwrap(), Some(DeadMount(path.into())));
    world.fleet.stop().await;
}
