//! What is put into an archive: texts, and why one is not there.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use ::doctor::{cdi, kubelet};
use device_plugin::{Checkpoint, error_chain};
use host::{Host, HostError, Kind};
use serde_json::Value;

use crate::place::Node;

/// A text, or why there is none.
type Text = Result<String, String>;

/// The file that makes a simulated node.
pub(super) const RECORDING: &str = "record.txt";
/// Of a page of metrics, and of the kernel's list of modules.
const MOST_BYTES: usize = 1 << 20;
/// For the whole page of metrics; a plugin answers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// Of all names below the folders of device nodes.
const MOST_NODES: usize = 5000;

/// Where the families' device nodes are; what ends with `*` begins so.
const NODES: [&str; 11] = [
    "/dev/accel/*",
    "/dev/dfl-*",
    "/dev/dlb*",
    "/dev/dri/*",
    "/dev/dri/by-path/*",
    "/dev/dsa/*",
    "/dev/iax/*",
    "/dev/intel-fpga-*",
    "/dev/mei*",
    "/dev/sgx*",
    "/dev/vfio/*",
];

/// All of them by their names in the archive. What they say of the node's owner is taken out later.
pub(super) fn all(node: &Node, metrics: &str) -> Vec<(&'static str, Text)> {
    let host = &node.host;
    let checks = crate::doctor::examine(node, &[], None);
    let report = ::doctor::json(&node.name, &checks);
    let mut files = vec![
        ("version.txt", Ok(format!("{}\n", cli::VERSION))),
        ("doctor.txt", Ok(crate::doctor::text(&node.name, &checks).join("\n") + "\n")),
        ("doctor.json", serde_json::to_string_pretty(&report).map_err(|error| error.to_string())),
        ("plan.txt", crate::plan::text(node)),
        (RECORDING, crate::record::recording(host).map_err(|error| error_chain(&*error))),
        ("kernel.txt", kernel(host)),
        ("modules.txt", modules(host)),
        ("device-nodes.txt", Ok(device_nodes(host))),
        ("kubelet-folder.txt", folder(host, kubelet::FOLDER)),
        ("kubelet-devices.txt", checkpoint(host)),
        ("cdi.txt", cdi_files(host)),
        ("runtime-cdi.txt", Ok(runtime(host))),
    ];
    if node.is_live && !metrics.is_empty() {
        files.push(("metrics.txt", page(metrics)));
    }
    files
}

/// Why there is nothing of a path.
fn why(error: &HostError) -> String {
    if error.is_not_found() { format!("there is no {}", error.path.display()) } else { error_chain(error) }
}

fn kernel(host: &Host) -> Text {
    let read = |path: &str| host.read(path).map_err(|error| why(&error));
    // `/proc/version` has the name of the machine that built it.
    let release = read("/proc/sys/kernel/osrelease")?;
    // Other options may have passwords, and addresses of whatever kind.
    let options = crate::record::options(&read("/proc/cmdline").unwrap_or_default());
    Ok(format!("{release}\n{options}\n"))
}

/// Without addresses of the kernel's memory.
fn modules(host: &Host) -> Text {
    let (bytes, _) = host.read_bytes("/proc/modules", MOST_BYTES).map_err(|error| why(&error))?;
    let text = String::from_utf8_lossy(&bytes);
    let line = |line: &str| line.split(' ').take(5).collect::<Vec<_>>().join(" ") + "\n";
    Ok(text.lines().map(line).collect())
}

fn device_nodes(host: &Host) -> String {
    let mut text = String::new();
    for pattern in NODES {
        let (folder, begin) = pattern.trim_end_matches('*').rsplit_once('/').unwrap_or_default();
        let names = host.names(folder).unwrap_or_default();
        for name in names.iter().filter(|name| name.starts_with(begin)).take(MOST_NODES) {
            text += &line(host, &format!("{folder}/{name}"));
        }
    }
    text
}

/// As `ls -l` shows a file, with numbers.
fn line(host: &Host, path: &str) -> String {
    let found = match host.metadata(path) {
        Ok(found) => found,
        Err(error) => return format!("{path}: {}\n", error.source),
    };
    let what = match found.kind {
        Kind::Folder => "folder".to_owned(),
        Kind::Socket => "socket".to_owned(),
        Kind::Other => "other".to_owned(),
        Kind::File | Kind::Device => match host.device_number(path) {
            Ok(number) => format!("{}:{}", number.major, number.minor),
            Err(_) => "file".to_owned(),
        },
    };
    let target = host.link_target(path).map(|target| format!(" -> {}", target.display())).unwrap_or_default();
    format!("{:04o} {}:{} {what} {path}{target}\n", found.mode, found.uid, found.gid)
}

fn folder(host: &Host, folder: &str) -> Text {
    let names = host.names(folder).map_err(|error| why(&error))?;
    let lines: String =
        names.iter().take(MOST_NODES).map(|name| line(host, &format!("{folder}/{name}"))).collect();
    Ok(line(host, folder) + &lines)
}

/// Which devices there are, and who has them: without what containers were given, which has environment variables.
fn checkpoint(host: &Host) -> Text {
    let found = Checkpoint::read(host, Path::new(kubelet::FOLDER)).map_err(|error| why(&error))?;
    let mut text = String::new();
    for (name, devices) in &found.offer.resources {
        let ids: Vec<&str> = devices.keys().map(String::as_str).collect();
        text += &format!("{name}: {}: {}\n", ids.len(), ids.join(" "));
    }
    for held in &found.held {
        let ids: Vec<&str> = held.devices.iter().map(String::as_str).collect();
        text += &format!("{}: pod {} has {}\n", held.resource, held.pod, ids.join(" "));
    }
    Ok(text)
}

/// CDI files that are JSON, without environment variables; of others the names.
fn cdi_files(host: &Host) -> Text {
    let mut text = String::new();
    let mut failure = None;
    for folder in [cdi::FOLDER, cdi::STATIC_FOLDER] {
        let names = match cdi::names(host, folder) {
            Ok(names) => names,
            Err(error) => {
                failure = Some(why(&error));
                continue;
            }
        };
        for name in names {
            text += &line(host, &format!("{folder}/{name}"));
            let spec = host.read(format!("{folder}/{name}")).ok();
            if let Some(mut spec) = spec.and_then(|spec| serde_json::from_str::<Value>(&spec).ok()) {
                remove_env(&mut spec);
                text += &format!("{spec:#}\n");
            }
        }
    }
    match failure {
        Some(failure) if text.is_empty() => Err(failure),
        _ => Ok(text),
    }
}

fn remove_env(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("env");
            fields.values_mut().for_each(remove_env);
        }
        Value::Array(values) => values.iter_mut().for_each(remove_env),
        _ => {}
    }
}

fn runtime(host: &Host) -> String {
    let mut text = String::new();
    for (file, settings) in cdi::runtime_settings(host) {
        text += &format!("{file}\n");
        for (key, value) in settings {
            text += &format!("{key} = {value}\n");
        }
    }
    text
}

/// A plugin's metrics; nobody else's.
fn page(address: &str) -> Text {
    let ask = || {
        let to: Option<SocketAddr> = address.parse().ok();
        let to = to.ok_or_else(|| "it is no address such as 127.0.0.1:9090".to_owned())?;
        let text = |error: std::io::Error| error.to_string();
        let deadline = Instant::now() + PATIENCE;
        let mut stream = TcpStream::connect_timeout(&to, PATIENCE).map_err(text)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(text)?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").map_err(text)?;
        let (mut answer, mut part) = (Vec::new(), [0; 4096]);
        while answer.len() < MOST_BYTES {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("it was not all there within {} seconds", PATIENCE.as_secs()));
            }
            stream.set_read_timeout(Some(left)).map_err(text)?;
            match stream.read(&mut part) {
                Ok(0) => break,
                Ok(count) => answer.extend_from_slice(part.get(..count).unwrap_or_default()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(text(error)),
            }
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let is_plugin = answer.contains("device_plugin_");
        is_plugin.then_some(answer).ok_or_else(|| "what answers there is no plugin".to_owned())
    };
    ask().map_err(|reason| format!("{address}: {reason}"))
}
