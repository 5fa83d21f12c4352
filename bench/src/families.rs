//! Every family alone, all of them in one process, and what a look at the node costs, on the node that has them all.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use cli::plugin::Start;
use device_plugin::Rescan;
use host::Host;
use rustix::time::{ClockId, clock_gettime};
use simulator::kubelet::{Kubelet, Options, State};
use simulator::{Profile, SimulatedNode};

use crate::figures::{Bar, Figure, Samples, number, table};
use crate::process::Process;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;
type Parse = fn(&[String]) -> Result<Start, String>;

/// A family: its command, and how many devices the node has of each of its resources.
struct Family {
    name: &'static str,
    parse: Parse,
    resources: &'static [(&'static str, usize)],
}

const FAMILIES: [Family; 8] = [
    Family { name: "gpu", parse: gpu_plugin::parse, resources: &[("i915", 8)] },
    Family { name: "npu", parse: npu_plugin::parse, resources: &[("accel", 1)] },
    Family { name: "qat", parse: qat_plugin::parse, resources: &[("cy", 32), ("dc", 32)] },
    Family {
        name: "dsa",
        parse: idxd_plugin::dsa::parse,
        resources: &[("wq-user-dedicated", 16), ("wq-user-shared", 16)],
    },
    Family {
        name: "iaa",
        parse: idxd_plugin::iaa::parse,
        resources: &[("wq-user-dedicated", 16), ("wq-user-shared", 16)],
    },
    Family { name: "dlb", parse: dlb_plugin::parse, resources: &[("pf", 1), ("vf", 1)] },
    Family { name: "sgx", parse: sgx_plugin::parse, resources: &[("enclave", 110), ("provision", 110)] },
    Family {
        name: "fpga",
        parse: fpga_plugin::parse,
        resources: &[("af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs", 1)],
    },
];

/// Measures and prints all of it.
pub(crate) async fn run(binary: &Path, folder: &Path, quick: bool) -> Outcome<()> {
    let node = SimulatedNode::create(folder.join("all"), &Profile::builtin("xeon-full")?)?;
    let rounds = if quick { 3 } else { 20 };
    println!("| process | to Register of all | to all lists | peak RSS |\n|---|---|---|---|");
    let mut most = 0.0_f64;
    for family in &FAMILIES {
        most = most.max(start(binary, family.name, &[family], &node, folder, rounds).await?);
    }
    let all: Vec<&Family> = FAMILIES.iter().collect();
    let of_node = start(binary, "node", &all, &node, folder, rounds).await?;
    let figures = [
        figure("peak memory (RSS), `node` with eight families", "MB", 6.0, of_node),
        figure("peak memory (RSS), each plugin alone, the largest", "MB", 4.0, most),
    ];
    println!("\n{}", table(&figures));
    scans_in_place(node.root(), quick)?;
    curve(folder, rounds)
}

/// Looks cost less at the root than below a prefix, and plugins look at the root: so this program runs again where the
/// node is the real one.
fn scans_in_place(node: &Path, quick: bool) -> Outcome<()> {
    let script = r#"mount --bind "$0/sys" /sys; mount --bind "$0/dev" /dev; exec "$@""#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec", script]).arg(node);
    command.arg(std::env::current_exe()?).args(quick.then_some("-quick")).arg("-scans");
    let status = command.status().map_err(|error| format!("cannot run unshare: {error}"))?;
    if status.success() { Ok(()) } else { Err("the scans need root".into()) }
}

fn figure(what: &'static str, unit: &'static str, bar: f64, ours: f64) -> Figure {
    Figure { what, unit, bar: Some(Bar::AtMost(bar)), ours, reference: None }
}

/// Starts a process again and again, and prints its line. Gives its peak memory, in MiB.
async fn start(
    binary: &Path,
    command: &str,
    families: &[&Family],
    node: &SimulatedNode,
    folder: &Path,
    rounds: usize,
) -> Outcome<f64> {
    let kubelet = Kubelet::start(folder.join("kubelet"), Options::default())?;
    let expected: Vec<(String, usize)> = families
        .iter()
        .flat_map(|family| {
            family.resources.iter().map(|(name, count)| (format!("{}.intel.com/{name}", family.name), *count))
        })
        .collect();
    let (mut registered, mut listed, mut rss) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..rounds {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let args = [command.to_owned(), "-prefix".to_owned(), text(node.root()), "-kubelet-dir".to_owned()];
        let more = [text(kubelet.folder()), "-cdi-dir".to_owned(), text(&folder.join("cdi"))];
        let plugin = Process::start(binary, &[&args[..], &more[..]].concat(), &folder.join("log"))?;
        let begun = plugin.started;
        let is_registered =
            |name: &str, state: &State| state.resources.get(name).is_some_and(|resource| resource.connected);
        let all = kubelet.wait_until(|state| expected.iter().all(|(name, _)| is_registered(name, state)));
        all.await?;
        registered.add(milliseconds(begun));
        let all = kubelet
            .wait_until(|state| expected.iter().all(|(name, count)| state.allocatable(name) == *count));
        all.await?;
        listed.add(milliseconds(begun));
        tokio::time::sleep(Duration::from_millis(200)).await;
        rss.add(plugin.peak_rss_kib()? / 1024.0);
        drop(plugin);
        kubelet.wait_until(|state| expected.iter().all(|(name, _)| state.allocatable(name) == 0)).await?;
    }
    kubelet.stop().await;
    println!(
        "| {command} | {} ms | {} ms | {} MB |",
        number(registered.percentile(50.0)),
        number(listed.percentile(50.0)),
        number(rss.percentile(100.0))
    );
    Ok(rss.percentile(100.0))
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// One look at the node, family by family.
pub(crate) fn scans(quick: bool) -> Outcome<()> {
    let rounds = if quick { 3 } else { 20 };
    println!("| one look | processor time |\n|---|---|");
    let mut sum = 0.0;
    for family in &FAMILIES {
        let cost = scan(&Host::real(), family.parse, &[], rounds)?;
        sum += cost;
        println!("| {} | {} ms |", family.name, number(cost));
    }
    println!("\n{}", table(&[figure("processor time of one look at all of it", "ms", 3.0, sum)]));
    Ok(())
}

/// The median processor time of a discovery, in milliseconds.
fn scan(host: &Host, parse: Parse, flags: &[&str], rounds: usize) -> Outcome<f64> {
    let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
    let plugin = parse(&flags)?(host, &Rescan::default());
    let mut samples = Samples::default();
    for _ in 0..rounds * 5 {
        let before = thread_time();
        let inventory = plugin.discover(host)?;
        samples.add(thread_time().saturating_sub(before).as_secs_f64() * 1e3);
        std::hint::black_box(inventory);
    }
    Ok(samples.percentile(50.0))
}

fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// What a look costs as the node grows: virtual functions of QAT, all on VFIO.
fn curve(folder: &Path, rounds: usize) -> Outcome<()> {
    println!("| QAT functions | one look | for each |\n|---|---|---|");
    let mut costs = Vec::new();
    for (step, count) in [16, 64, 250, 500, 1000].into_iter().enumerate() {
        let profile = Profile::parse("many", &many(count))?;
        let node = SimulatedNode::create(folder.join(format!("many-{step}")), &profile)?;
        let cost = scan(&node.host(), qat_plugin::parse, &["-max-num-devices=1000"], rounds)?;
        let each = cost * 1e3 / f64::from(u32::try_from(count)?);
        println!("| {count} | {} ms | {} µs |", number(cost), number(each));
        costs.push(each);
    }
    if let [few, .., many] = costs[..] {
        // Linear, within what such times differ by.
        let what = "one function among 1,000, of what it costs among 16";
        println!("\n{}", table(&[figure(what, "times", 1.25, many / few)]));
    }
    Ok(())
}

/// A profile with that many virtual functions, sixteen of each physical one.
fn many(count: usize) -> String {
    let mut profile = String::from("title Many functions of QAT\nuse vfio\nuse pci-driver driver=4xxx\n");
    for number in 0..count {
        let (bus, function) = (number / 16 + 1, number % 16);
        let (at, pf) = (format!("pci0000:{bus:02x}"), format!("0000:{bus:02x}:00.0"));
        if function == 0 {
            profile += &format!("use qat-pf at={at} pci={pf} group={} vfs=16 numa=0\n", 10_000 + bus);
        }
        let address = format!("0000:{bus:02x}:{:02x}.{:x}", (function + 1) / 8, (function + 1) % 8);
        profile += &format!(
            "use qat-vf-vfio at={at} pf={pf} vf={function} pci={address} group={} numa=0\n",
            100 + number
        );
    }
    profile
}
