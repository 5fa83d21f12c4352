//! The real families on a simulated node.
//!
//! The clock is paused: it jumps to the next look that nothing asked for only when nothing else is left to do.

use std::io;

use simulator::kubelet::EventKind;
use simulator::{Profile, SimulatedNode};
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::super::super::config::Config;
use super::*;

/// A node with all families.
struct Node {
    node: SimulatedNode,
    world: World,
}

impl Node {
    async fn new(profile: &str, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let profile = Profile::builtin(profile).unwrap();
        let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), &profile).unwrap();
        let mut node = Self { world: World::on(node.host(), folder), node };
        node.follow(config).await;
        node
    }

    async fn follow(&mut self, config: &str) {
        let wanted = Config::parse(config).unwrap().of_node("one").unwrap();
        self.world.fleet.follow(wanted).await;
    }

    async fn has(&self, resource: &str, count: usize) {
        let reached = self.world.kubelet.wait_until(|state| state.allocatable(resource) == count).await;
        reached.unwrap_or_else(|error| panic!("{count} {resource}: {error}"));
    }

    /// How often each family has looked at the node.
    fn looks(&self) -> BTreeMap<String, u64> {
        let statuses = self.world.fleet.statuses().all();
        let page = device_plugin::metrics::render(statuses.iter().map(|status| &**status), |_| {});
        let looks = page.lines().filter_map(|line| {
            let (plugin, count) =
                line.strip_prefix("device_plugin_discoveries_total{plugin=\"")?.split_once("\"} ")?;
            Some((plugin.split('.').next()?.to_owned(), count.parse().unwrap()))
        });
        looks.collect()
    }

    /// All families look now, so the next look that nothing asks for is far.
    async fn all_look(&self) {
        let before = self.looks();
        for running in self.world.fleet.running.values() {
            running.rescan.request();
        }
        while self.looks().iter().any(|(plugin, looks)| before[plugin] == *looks) {
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// The families that have looked again since.
    fn looked_since(&self, before: &BTreeMap<String, u64>) -> Vec<String> {
        let looks = self.looks().into_iter();
        looks.filter(|(plugin, looks)| before[plugin] != *looks).map(|(plugin, _)| plugin).collect()
    }

    /// The resources of which the kubelet once got a list with no devices.
    fn dropped(&self) -> Vec<String> {
        let dropped = self.world.kubelet.events().into_iter().map(|event| match event.kind {
            EventKind::List { resource, devices: 0, .. } => Some(resource),
            _ => None,
        });
        dropped.flatten().collect()
    }
}

/// What all families offer with their defaults.
const ALL: [(&str, usize); 9] = [
    ("dlb.intel.com/pf", 1),
    ("dlb.intel.com/vf", 1),
    ("dsa.intel.com/wq-user-dedicated", 16),
    ("fpga.intel.com/af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs", 1),
    ("gpu.intel.com/i915", 8),
    ("iaa.intel.com/wq-user-shared", 16),
    ("npu.intel.com/accel", 1),
    ("qat.intel.com/cy", 32),
    ("sgx.intel.com/enclave", 110),
];

/// An FPGA and an NPU call themselves the same, and so do QAT and DLB, and DSA and IAA are on one bus: a change of the one is a
/// look at the other.
#[tokio::test(start_paused = true)]
async fn only_families_whose_hardware_changed_look_at_the_node_again() {
    let mut node = Node::new("xeon-full", "families: {fpga: {node-name: ''}}").await;
    for (resource, count) in ALL {
        node.has(resource, count).await;
    }
    for (device, resource, left, looked) in [
        ("card7", "gpu.intel.com/i915", 7, vec!["gpu"]),
        ("wq0.0", "dsa.intel.com/wq-user-dedicated", 15, vec!["dsa", "iaa"]),
        ("sgx", "sgx.intel.com/enclave", 0, vec!["sgx"]),
        ("npu0", "npu.intel.com/accel", 0, vec!["fpga", "npu"]),
        ("dlb2", "dlb.intel.com/vf", 0, vec!["dlb", "qat"]),
    ] {
        node.all_look().await;
        let before = node.looks();
        node.node.remove(device).unwrap();
        node.has(resource, left).await;
        // For the others, if they want to. It is less than any pause between looks.
        sleep(Duration::from_secs(1)).await;
        assert_eq!(node.looked_since(&before), looked, "{device}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_without_devices_is_looked_at_once_a_minute() {
    let node = Node::new("empty", "families: {fpga: {node-name: ''}}").await;
    node.all_look().await;
    // Some were asked for before their first look.
    sleep(Duration::from_secs(1)).await;
    let before = node.looks();
    sleep(Duration::from_secs(50)).await;
    assert_eq!(node.looked_since(&before), [""; 0]);
    sleep(Duration::from_secs(15)).await;
    assert_eq!(node.looked_since(&before), ["dlb", "dsa", "fpga", "gpu", "iaa", "npu", "qat", "sgx"]);
}

#[tokio::test(start_paused = true)]
async fn other_flags_of_any_family_drop_no_resource() {
    let mut node = Node::new("xeon-full", "families: {fpga: {node-name: ''}}").await;
    for (resource, count) in ALL {
        node.has(resource, count).await;
    }
    node.follow(
        "families:\n  gpu: {shared-dev-num: 2}\n  npu: {shared-dev-num: 3}\n  qat: {max-num-devices: 20}\n  \
         dsa: {shared-dev-num: 2}\n  iaa: {shared-dev-num: 2}\n  sgx: {enclave-limit: 7}\n  fpga: {node-name: '', mode: af}\n",
    )
    .await;
    for (resource, count) in [
        ("gpu.intel.com/i915", 16),
        ("npu.intel.com/accel", 3),
        ("qat.intel.com/cy", 16),
        ("iaa.intel.com/wq-user-shared", 32),
        ("sgx.intel.com/enclave", 7),
    ] {
        node.has(resource, count).await;
    }
    node.all_look().await;
    let resources = node.world.kubelet.resources();
    for (resource, _) in ALL {
        let state = &resources[resource];
        assert!(state.connected && state.registrations == 1, "{resource}: {state:?}");
    }
    assert_eq!(node.dropped(), Vec::<String>::new());
}

/// On another driver it has other resources, of which other things tell.
#[tokio::test(start_paused = true)]
async fn dsa_on_another_driver_starts_anew_and_nobody_else_does() {
    let mut node = Node::new("xeon-full", "").await;
    let [queues, cards] = ["dsa.intel.com/wq-user-dedicated", "gpu.intel.com/i915"];
    node.has(queues, 16).await;
    node.has(cards, 8).await;
    node.follow("families: {dsa: {driver: vfio-pci}}").await;
    node.world.kubelet.wait_until(|state| !state.resources[queues].connected).await.unwrap();
    assert!(node.world.kubelet.resources()[cards].connected);
    node.follow("").await;
    node.world.kubelet.wait_until(|state| state.resources[queues].connected).await.unwrap();
    node.has(queues, 16).await;
    assert_eq!(node.world.kubelet.resources()[queues].registrations, 2);
    assert_eq!(node.world.kubelet.resources()[cards].registrations, 1);
}

/// The new plugin asks the API again, which hangs.
#[tokio::test(start_paused = true)]
async fn an_fpga_stays_while_the_api_is_asked_for_its_mode_again() {
    const REGION: &str = "region-69528db6eb31577a8c3668f9faa081f6";
    let mut node = Node::new("fpga-arria10", "families: {fpga: {mode: region, node-name: ''}}").await;
    let region = format!("fpga.intel.com/{REGION}");
    node.has(&region, 2).await;
    let api = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kubeconfig = node.world.folder.path().join("kubeconfig");
    kubeconfig_of(&kubeconfig, &format!("https://127.0.0.1:{}", api.local_addr().unwrap().port())).unwrap();
    node.follow(&format!("families: {{fpga: {{mode: region, kubeconfig: {}}}}}", kubeconfig.display())).await;
    let (connection, _) = api.accept().await.unwrap();
    // Some look ended after it was asked.
    node.all_look().await;
    node.all_look().await;
    assert_eq!(node.dropped(), Vec::<String>::new());
    let page = |node: &Node| node.world.fleet.statuses().all().iter().find_map(|status| status.not_ready());
    assert!(page(&node).unwrap().contains("has not said yet"));
    // It answers nothing, so the flag holds.
    drop(connection);
    while page(&node).is_some() {
        sleep(Duration::from_millis(10)).await;
    }
    node.has(&region, 2).await;
    assert_eq!(node.dropped(), Vec::<String>::new());
    assert_eq!(node.world.kubelet.resources()[&region].registrations, 1);
}

fn kubeconfig_of(path: &std::path::Path, server: &str) -> io::Result<()> {
    let authority = rcgen::generate_simple_self_signed(["server".to_owned()]).unwrap().cert.pem();
    std::fs::write(path.with_extension("pem"), authority)?;
    let text = format!(
        "current-context: x\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: '{server}', certificate-authority: kubeconfig.pem}}}}]\n\
         users: [{{name: u, user: {{token: none}}}}]\n"
    );
    std::fs::write(path, text)
}
