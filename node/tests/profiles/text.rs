//! What was told, as lines to read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use simulator::kubelet::ContainerOptions;

/// Why devices are unhealthy, by resource and id.
pub(crate) type Reasons = BTreeMap<(String, String), String>;

/// Of the page of metrics: `device_plugin_unhealthy_device{resource="…",device="…",reason="…"} 1`.
pub(crate) fn reasons(page: &str) -> Reasons {
    let lines =
        page.lines().filter_map(|line| line.strip_prefix("device_plugin_unhealthy_device{resource=\""));
    lines
        .map(|line| {
            let (resource, line) = line.split_once("\",device=\"").unwrap();
            let (device, line) = line.split_once("\",reason=\"").unwrap();
            let reason = line.strip_suffix("\"} 1").unwrap();
            ((resource.to_owned(), device.to_owned()), reason.replace("\\\"", "\""))
        })
        .collect()
}

/// What a container is given, word by word. Paths are those of the host; where the container sees another one, that
/// follows after a colon.
pub(crate) fn given(options: ContainerOptions) -> Vec<String> {
    let ContainerOptions { devices, mounts, env, annotations, cdi_devices } = options;
    let place = |host: &str, container: &str| {
        if host.ends_with(container) { container.to_owned() } else { format!("{host}:{container}") }
    };
    let mut words = Vec::new();
    for device in devices {
        words.push(format!("{}={}", device.permissions, place(&device.host_path, &device.container_path)));
    }
    for mount in mounts {
        let mode = if mount.read_only { "ro" } else { "rw" };
        words.push(format!("mount-{mode}={}", place(&mount.host_path, &mount.container_path)));
    }
    words.extend(env.iter().map(|(name, value)| format!("env {name}={value}")));
    words.extend(annotations.iter().map(|(name, value)| format!("annotation {name}={value}")));
    words.extend(cdi_devices.iter().map(|name| format!("cdi={name}")));
    words
}

/// The files of the folder, sorted, each with its name and content on one line.
pub(crate) fn cdi_files(folder: &Path) -> Vec<String> {
    let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
    let mut lines: Vec<String> = files
        .map(|file| {
            let path = file.unwrap().path();
            let content: serde_json::Value =
                serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            format!("{} {content}", path.file_name().unwrap().to_str().unwrap())
        })
        .collect();
    lines.sort();
    lines
}

/// Lines that begin with an id. Those that differ only in the last number of the id are one: `sgx-enclave-{0..9}`.
#[derive(Default)]
pub(crate) struct Lines {
    /// What follows the id, in the order of the first id of each, with the ids.
    groups: Vec<(String, Vec<String>)>,
}

impl Lines {
    pub(crate) fn add(&mut self, id: &str, rest: String) {
        match self.groups.iter_mut().find(|(known, _)| *known == rest) {
            Some((_, ids)) => ids.push(id.to_owned()),
            None => self.groups.push((rest, vec![id.to_owned()])),
        }
    }

    pub(crate) fn text(&self) -> String {
        let lines = self.groups.iter().map(|(rest, ids)| format!("  {} {rest}\n", in_short(ids)));
        lines.collect::<Vec<_>>().concat()
    }
}

/// `card0-{0..2}` of `card0-0`, `card0-1` and `card0-2`.
fn in_short(ids: &[String]) -> String {
    let mut numbers: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for id in ids {
        let stem = id.trim_end_matches(|c: char| c.is_ascii_digit());
        // Only what can be read back: no number with leading zeros.
        match id.strip_prefix(stem).unwrap().parse::<u32>() {
            Ok(number) if format!("{stem}{number}") == *id => numbers.entry(stem).or_default().push(number),
            _ => return ids.join(" "),
        }
    }
    let mut words = Vec::new();
    for (stem, mut numbers) in numbers {
        numbers.sort_unstable();
        for run in numbers.chunk_by(|one, next| one + 1 == *next) {
            words.push(match run {
                [first, .., last] => format!("{stem}{{{first}..{last}}}"),
                _ => format!("{stem}{}", run.first().unwrap()),
            });
        }
    }
    words.join(" ")
}
