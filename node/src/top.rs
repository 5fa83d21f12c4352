//! `top`: which pod has which device, and how busy it is.

mod drm;
mod hardware;
mod holders;
mod npu;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cli::{FlagSet, Stop};
use device_plugin::pod_resources::SOCKET;
use host::Host;
use serde_json::{Value, json};

use crate::screen::{Screen, print};
use crate::table::Table;
use drm::{Sample, Usage};
use hardware::{Hardware, Requests};
use holders::{Devices, Holder};
use npu::Busy;

/// Where the kubelet keeps the logs of pods: `NAMESPACE_NAME_UID` is a folder. It is how a pod's UID is known here.
const LOGS: &str = "/var/log/pods";
/// More free devices of a resource are counted.
const MOST_NAMES: usize = 4;

#[derive(Debug)]
struct Options {
    root: String,
    socket: String,
    once: bool,
    json: bool,
    interval: Duration,
}

impl Options {
    fn parse(args: Vec<OsString>) -> Result<Self, Stop> {
        let mut options = Self {
            root: String::new(),
            socket: SOCKET.to_owned(),
            once: false,
            json: false,
            interval: Duration::from_secs(2),
        };
        let mut flags = FlagSet::new(
            "intel-device-plugins top",
            "Shows which pod has which device of this node, and how busy it is, live on a terminal and once elsewhere. Needs root; \
             in a pod, also the node's processes (hostPID).",
        );
        flags.string(
            "root",
            &mut options.root,
            "folder that has the node's root: /host in a pod of `kubectl debug node`",
        );
        flags.string("socket", &mut options.socket, "the kubelet's socket of pod resources, below the root");
        flags.bool("once", &mut options.once, "show it once, and end");
        flags.bool("json", &mut options.json, "print JSON, once");
        flags.duration(
            "interval",
            &mut options.interval,
            "how long each look takes: use is measured for so long",
        );
        flags.parse_all(args)?;
        Ok(options)
    }
}

/// Runs the command: exit code 0 at the end, 1 and a line that says why when the kubelet cannot be asked.
pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::commands::failed("top", &*error),
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    if options.interval < Duration::from_millis(100) {
        return Err(format!("-interval is {:?}, which is too short: 100ms at least", options.interval).into());
    }
    let host = crate::place::root(&options.root)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if options.once || options.json || !io::stdout().is_terminal() {
            let look = Look::take(&host, options).await?;
            let lines =
                if options.json { vec![serde_json::to_string_pretty(&look.json())?] } else { look.lines() };
            return Ok(print(&lines)?);
        }
        let mut screen = Screen::new(true);
        let shown = async {
            let mut look = Look::take(&host, options).await?;
            loop {
                screen.draw(&look.lines())?;
                // A kubelet that restarts comes back.
                look = loop {
                    match Look::take(&host, options).await {
                        Ok(look) => break look,
                        Err(why) => screen.draw(&[cli::line(&why)])?,
                    }
                };
            }
        };
        tokio::select! {
            () = cli::signals::terminated() => Ok(()),
            shown = shown => shown,
        }
    })
}

/// A device that a container has.
#[derive(Debug)]
struct Row {
    resource: String,
    id: String,
    hardware: Option<Hardware>,
    holder: Holder,
    usage: Option<Usage>,
    told: BTreeMap<&'static str, u64>,
}

/// All that is to be shown.
#[derive(Debug)]
struct Look {
    rows: Vec<Row>,
    devices: Devices,
    /// What cannot be seen, and why.
    unseen: Vec<String>,
}

impl Look {
    /// Takes as long as the interval.
    async fn take(host: &Host, options: &Options) -> Result<Self, String> {
        let (before, npus_before) = (Sample::take(host), Busy::take(host));
        let (requests_before, since) = (Requests::take(host), Instant::now());
        tokio::time::sleep(options.interval).await;
        let (requests, between) = (Requests::take(host), since.elapsed());
        let (after, npus) = (Sample::take(host), Busy::take(host));
        let devices = Devices::ask(host, &host.outside(&options.socket)).await?;
        let mut look = Self { rows: Vec::new(), unseen: Vec::new(), devices: Devices::default() };
        let pods = uids(host);
        let (mut unknown, mut hidden) = (BTreeSet::new(), BTreeSet::new());
        for ((resource, id), holders) in &devices.held {
            let hardware = Hardware::of(host, id);
            let mut told = hardware.as_ref().map(|hardware| hardware.told(host)).unwrap_or_default();
            let each_second =
                |hardware: &Hardware| requests.each_second(&requests_before, between, host, hardware);
            told.extend(hardware.as_ref().and_then(each_second));
            if let Some(Hardware::Function(function)) = &hardware {
                told.extend(npus.percent(&npus_before, function).map(|percent| (npu::PERCENT, percent)));
            }
            for holder in holders {
                let uid = pods.get(&(holder.namespace.clone(), holder.pod.clone()));
                match uid {
                    None => _ = unknown.insert((&holder.namespace, &holder.pod)),
                    Some(uid) if uid.iter().any(|uid| after.pods.contains(uid)) => {}
                    Some(_) => _ = hidden.insert((&holder.namespace, &holder.pod)),
                }
                let usage = match (&hardware, uid) {
                    (Some(Hardware::Function(function)), Some(uid)) => after.usage(&before, function, uid),
                    _ => None,
                };
                look.rows.push(Row {
                    resource: resource.clone(),
                    id: id.clone(),
                    told: told.clone(),
                    hardware: hardware.clone(),
                    holder: holder.clone(),
                    usage,
                });
            }
        }
        look.unseen = unseen(after.hidden, hidden.len(), unknown.len());
        look.unseen.extend(devices.unseen.clone());
        look.devices = devices;
        Ok(look)
    }

    fn lines(&self) -> Vec<String> {
        let mut table =
            Table::new(["RESOURCE", "DEVICE", "AT", "NAMESPACE", "POD", "CONTAINER", "BUSY", "MEMORY"]);
        for row in &self.rows {
            let Holder { namespace, pod, container } = row.holder.clone();
            let at =
                row.hardware.as_ref().map_or_else(|| "-".to_owned(), |hardware| hardware.name().to_owned());
            let memory = row.usage.as_ref().map_or_else(|| "-".to_owned(), |usage| mebibytes(usage.memory));
            table.row([
                row.resource.clone(),
                row.id.clone(),
                at,
                namespace,
                pod,
                container,
                row.busy(),
                memory,
            ]);
        }
        for (resource, ids) in self.devices.free.iter().filter(|(_, ids)| !ids.is_empty()) {
            let names: Vec<&str> = ids.iter().map(String::as_str).collect();
            let names =
                if names.len() > MOST_NAMES { format!("{} devices", names.len()) } else { names.join(" ") };
            let none = || "-".to_owned();
            table.row([resource.clone(), names, none(), none(), "(free)".to_owned(), none(), none(), none()]);
        }
        let mut lines = if self.rows.is_empty() && self.devices.free.values().all(BTreeSet::is_empty) {
            vec!["the kubelet knows no healthy device of Intel's".to_owned()]
        } else {
            table.lines(|_, line| line.to_owned())
        };
        lines.extend(self.unseen.iter().map(|what| format!("not seen: {what}")));
        // Names and ids are what pods and plugins say.
        lines.iter().map(|line| cli::line(line)).collect()
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let usage = row.usage.as_ref();
            let busy = usage.and_then(|usage| usage.busy.as_ref());
            json!({
                "resource": row.resource,
                "device": row.id,
                "at": row.hardware.as_ref().map(Hardware::name),
                "namespace": row.holder.namespace,
                "pod": row.holder.pod,
                "container": row.holder.container,
                "busyPercent": busy.map(|(percent, _)| (percent * 10.0).round() / 10.0),
                "busiestEngine": busy.map(|(_, engine)| engine),
                "memoryBytes": usage.map(|usage| usage.memory),
                "driverTells": row.told,
            })
        });
        json!({"devices": rows.collect::<Vec<_>>(), "free": self.devices.free, "notSeen": self.unseen})
    }
}

impl Row {
    /// In words.
    fn busy(&self) -> String {
        let mut text = String::new();
        if let Some((percent, engine)) = self.usage.as_ref().and_then(|usage| usage.busy.as_ref()) {
            // Writing to a string cannot fail.
            let _ = write!(text, "{percent:.0}% {engine}");
        }
        for (what, number) in &self.told {
            let _ = write!(text, "{}{number} {what}", if text.is_empty() { "" } else { ", " });
        }
        if text.is_empty() { "-".to_owned() } else { text }
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1024 * 1024))
}

/// The UIDs of pods by namespace and name: several where one of the same name was there before.
fn uids(host: &Host) -> BTreeMap<(String, String), Vec<String>> {
    let mut uids: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for name in host.names(LOGS).unwrap_or_default() {
        if let [namespace, pod, uid] = name.split('_').collect::<Vec<_>>()[..] {
            uids.entry((namespace.to_owned(), pod.to_owned())).or_default().push(uid.to_owned());
        }
    }
    uids
}

/// Why use may be missing: open files of so many processes, all processes of so many pods, the UIDs of so many pods.
fn unseen(files: usize, processes: usize, uids: usize) -> Vec<String> {
    let mut unseen = Vec::new();
    if files > 0 {
        let how = "run this as root, in a pod with the capability SYS_PTRACE or privileged";
        unseen.push(format!("open files of {files} processes: {how}"));
    }
    if processes > 0 {
        unseen.push(format!(
            "processes of {processes} of the pods: run this on the node, or in a pod with hostPID"
        ));
    }
    if uids > 0 {
        unseen.push(format!("which processes are of {uids} of the pods: {LOGS} has no folders of theirs"));
    }
    unseen
}
