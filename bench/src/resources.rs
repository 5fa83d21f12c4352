//! What plugins need on a large node with much sharing: the figures behind requests and limits in `deployments`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use simulator::kubelet::{Kubelet, Options};
use simulator::{Profile, SimulatedNode};

use crate::figures::number;
use crate::process::Process;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// A plugin: its command, flags, and how many devices there are then of its resources.
struct Large {
    command: &'static str,
    flags: &'static [&'static str],
    resources: &'static [(&'static str, usize)],
}

const PLUGINS: [Large; 8] = [
    Large {
        command: "gpu",
        flags: &["-shared-dev-num=100", "-enable-monitoring"],
        resources: &[("gpu.intel.com/i915", 800), ("gpu.intel.com/monitoring", 1)],
    },
    Large { command: "npu", flags: &["-shared-dev-num=100"], resources: &[("npu.intel.com/accel", 100)] },
    Large {
        command: "qat",
        flags: &["-max-num-devices=1000"],
        resources: &[("qat.intel.com/cy", 32), ("qat.intel.com/dc", 32)],
    },
    Large {
        command: "dsa",
        flags: &["-shared-dev-num=100"],
        resources: &[("dsa.intel.com/wq-user-dedicated", 16), ("dsa.intel.com/wq-user-shared", 1600)],
    },
    Large {
        command: "iaa",
        flags: &["-shared-dev-num=100"],
        resources: &[("iaa.intel.com/wq-user-dedicated", 16), ("iaa.intel.com/wq-user-shared", 1600)],
    },
    Large { command: "dlb", flags: &[], resources: &[("dlb.intel.com/pf", 1), ("dlb.intel.com/vf", 1)] },
    Large {
        command: "sgx",
        flags: &["-enclave-limit=1000", "-provision-limit=1000"],
        resources: &[("sgx.intel.com/enclave", 1000), ("sgx.intel.com/provision", 1000)],
    },
    Large {
        command: "fpga",
        flags: &[],
        resources: &[("fpga.intel.com/af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs", 1)],
    },
];

/// Measures and prints a table.
pub(crate) async fn run(binary: &Path, folder: &Path, quick: bool) -> Outcome<()> {
    let node = SimulatedNode::create(folder.join("node"), &Profile::builtin("xeon-full")?)?;
    println!(
        "| process | devices | peak RSS | processor time to start | while idle, per minute |\n|---|---|---|---|---|"
    );
    for plugin in &PLUGINS {
        let flags = plugin.flags.iter().map(|&flag| flag.to_owned()).collect();
        measure(binary, folder, &node, plugin.command, flags, plugin.resources, quick).await?;
    }
    let config = folder.join("config.yaml");
    fs::write(&config, all())?;
    let resources: Vec<_> = PLUGINS.iter().flat_map(|plugin| plugin.resources).copied().collect();
    measure(binary, folder, &node, "node", vec![format!("-config={}", config.display())], &resources, quick)
        .await
}

/// The file by which `node` runs all with their flags.
fn all() -> String {
    let mut file = String::from("families:\n");
    for plugin in &PLUGINS {
        let flags = plugin.flags.iter().map(|flag| flag.trim_start_matches('-'));
        let flags: Vec<String> = flags
            .map(|flag| {
                flag.split_once('=')
                    .map_or(format!("{flag}: true"), |(name, value)| format!("{name}: {value}"))
            })
            .collect();
        file += &format!("  {}: {{{}}}\n", plugin.command, flags.join(", "));
    }
    file
}

async fn measure(
    binary: &Path,
    folder: &Path,
    node: &SimulatedNode,
    command: &str,
    flags: Vec<String>,
    resources: &[(&str, usize)],
    quick: bool,
) -> Outcome<()> {
    let kubelet = Kubelet::start(folder.join("kubelet"), Options::default())?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut args = vec![command.to_owned(), "-prefix".to_owned(), text(node.root())];
    args.extend([
        "-kubelet-dir".to_owned(),
        text(kubelet.folder()),
        "-cdi-dir".to_owned(),
        text(&folder.join("cdi")),
    ]);
    args.push("-metrics-address=127.0.0.1:0".to_owned());
    args.extend(flags);
    let plugin = Process::start(binary, &args, &folder.join("log"))?;
    kubelet
        .wait_until(|state| resources.iter().all(|(name, count)| state.allocatable(name) == *count))
        .await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = plugin.cpu_time()?;
    let seconds = if quick { 3 } else { 15 };
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let idle = plugin.cpu_time()?.saturating_sub(start).as_secs_f64() * 1e3 * 60.0
        / Duration::from_secs(seconds).as_secs_f64();
    println!(
        "| `{command}` | {} | {} MB | {} ms | {} ms |",
        resources.iter().map(|(_, count)| count).sum::<usize>(),
        number(plugin.peak_rss_kib()? / 1024.0),
        number(start.as_secs_f64() * 1e3),
        number(idle)
    );
    drop(plugin);
    kubelet.stop().await;
    Ok(())
}
