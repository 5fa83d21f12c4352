//! CDI: the folders of its files, and whether the container runtime reads them.

use std::collections::BTreeMap;

use host::{Host, Room};
use serde_json::Value;

use crate::Severity::{Error, Warning};
use crate::{Check, Kind, count, some_of};

/// Where plugins write files; `/run/cdi` for runtimes.
pub const FOLDER: &str = "/var/run/cdi";
/// Where administrators do.
pub const STATIC_FOLDER: &str = "/etc/cdi";
/// More files than a node can have devices.
pub const MOST_FILES: usize = 2000;

/// Sockets by which a runtime is known to be there, and its configuration: files, and folders of them.
const RUNTIMES: [Runtime; 2] = [
    Runtime {
        name: "containerd",
        sockets: &["/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock"],
        files: &[
            "/etc/containerd/config.toml",
            "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
            "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
        ],
        folders: &["/etc/containerd/conf.d"],
    },
    Runtime {
        name: "crio",
        sockets: &["/run/crio/crio.sock", "/var/run/crio/crio.sock"],
        files: &["/etc/crio/crio.conf"],
        folders: &["/etc/crio/crio.conf.d"],
    },
];

#[derive(Debug)]
struct Runtime {
    /// Of its service, too.
    name: &'static str,
    sockets: &'static [&'static str],
    files: &'static [&'static str],
    folders: &'static [&'static str],
}

static OFF: Kind = Kind {
    id: "cdi-off",
    severity: Error,
    about: "the container runtime was told not to read CDI files",
    why: "containers that are given a CDI device do not start",
};
static NOT_ENABLED: Kind = Kind {
    id: "cdi-not-enabled",
    severity: Warning,
    about: "containerd's configuration is of its first version's layout and does not enable CDI",
    why: "containerd 1.7 then ignores CDI devices: what only they bring is not in the container. containerd 2 has CDI on",
};
static FOLDER_UNREAD: Kind = Kind {
    id: "cdi-folder-unread",
    severity: Error,
    about: "the container runtime does not read the folder of the plugins' CDI files",
    why: "containers do not start: `unresolvable CDI devices`",
};
static UNWRITABLE: Kind = Kind {
    id: "cdi-folder-unwritable",
    severity: Error,
    about: "the folder of the plugins' CDI files cannot be written",
    why: "allocations that need a CDI file are refused",
};
static BAD_FILE: Kind = Kind {
    id: "cdi-file-damaged",
    severity: Warning,
    about: "a CDI file cannot be understood",
    why: "runtimes leave the file out, and some of them then resolve no CDI device at all",
};
static TWICE: Kind = Kind {
    id: "cdi-device-twice",
    severity: Error,
    about: "two CDI files of one folder have the same device",
    why: "runtimes take neither: `unresolvable CDI devices`. One may be left over from another plugin",
};

/// What may be found.
pub const KINDS: &[&Kind] = &[&OFF, &NOT_ENABLED, &FOLDER_UNREAD, &UNWRITABLE, &BAD_FILE, &TWICE];

/// Looks at the folders and, on a node that has one, at the runtime.
pub fn check(host: &Host, has_runtime: bool) -> Check {
    let mut check = Check::new("cdi");
    if let Some(room) = check.see(host.room(FOLDER)) {
        judge_room(&mut check, room);
    } else if check.unseen.is_empty() {
        check.fine("no folder yet; plugins make it");
    }
    for folder in [FOLDER, STATIC_FOLDER] {
        files(host, &mut check, folder);
    }
    if has_runtime {
        runtime(host, &mut check);
    }
    check
}

fn judge_room(check: &mut Check, room: Room) {
    let (what, fix) = match room {
        Room::Some => return check.fine("folder writable"),
        Room::Full => ("has no space left", format!("df {FOLDER}, and make some")),
        Room::ReadOnly => {
            ("is read-only", "mount -o remount,rw /run; in a container, mount it writable".to_owned())
        }
    };
    check.found(&UNWRITABLE, format!("the file system of {FOLDER} {what}"), fix);
}

/// The files of a folder that runtimes read.
pub fn names(host: &Host, folder: &str) -> Result<Vec<String>, host::HostError> {
    let mut names = host.names(folder)?;
    names.retain(|name| matches!(name.rsplit('.').next(), Some("json" | "yaml")));
    names.truncate(MOST_FILES);
    Ok(names)
}

fn files(host: &Host, check: &mut Check, folder: &str) {
    let Some(names) = check.see(names(host, folder)) else { return };
    let mut devices: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut bad = Vec::new();
    for name in &names {
        let Some(text) = check.see(host.read(format!("{folder}/{name}"))) else { continue };
        match devices_of(&text) {
            Some(found) => {
                for device in found {
                    devices.entry(device).or_default().push(name.clone());
                }
            }
            None => bad.push(format!("{folder}/{name}")),
        }
    }
    if !bad.is_empty() {
        check.found(
            &BAD_FILE,
            format!(
                "{} {} no kind and no devices",
                some_of(&bad),
                if bad.len() == 1 { "has" } else { "have" }
            ),
            format!("rm {}, and restart the program that writes it", bad.join(" ")),
        );
    }
    for (device, names) in devices.iter().filter(|(_, names)| names.len() > 1) {
        check.found(
            &TWICE,
            format!("{device} is in {} of {folder}", some_of(names)),
            format!("ls -l {folder}: remove the older one"),
        );
    }
    if !names.is_empty() {
        check.fine(format!("{} in {folder}", count(names.len(), "file")));
    }
}

/// The devices of a CDI file with their kind. Those that are YAML are read line by line.
fn devices_of(text: &str) -> Option<Vec<String>> {
    if text.starts_with('{') {
        let spec: Value = serde_json::from_str(text).ok()?;
        let kind = spec.get("kind")?.as_str()?;
        let devices = spec.get("devices")?.as_array()?;
        return devices
            .iter()
            .map(|device| Some(format!("{kind}={}", device.get("name")?.as_str()?)))
            .collect();
    }
    let value = |line: &str, key: &str| {
        let line = line.trim_start().trim_start_matches("- ");
        let value = line.strip_prefix(key)?.strip_prefix(':')?.trim();
        Some(value.trim_matches(['"', '\'']).to_owned())
    };
    let kind = text.lines().find_map(|line| value(line, "kind").filter(|_| line.starts_with("kind")))?;
    // Below `devices`, and not deeper: edits have names, too.
    let below = text.lines().skip_while(|line| !line.starts_with("devices:")).skip(1);
    let below: Vec<&str> = below.take_while(|line| line.starts_with([' ', '-'])).collect();
    let depth = below.iter().find_map(|line| line.find("- "))?;
    let is_own = |line: &&&str| line.find(|letter: char| letter != ' ' && letter != '-') == Some(depth + 2);
    let names = below.iter().filter(is_own).filter_map(|line| value(line, "name"));
    Some(names.map(|name| format!("{kind}={name}")).collect())
}

/// What a runtime's configuration says of CDI, and of its own version, in the order in which it is read.
#[derive(Debug, Default)]
struct Settings {
    enable: Option<(String, bool)>,
    folders: Option<(String, String)>,
    version: Option<u32>,
    file: Option<String>,
}

fn runtime(host: &Host, check: &mut Check) {
    let there = RUNTIMES.iter().filter(|runtime| runtime.sockets.iter().any(|socket| host.exists(socket)));
    let mut there: Vec<&Runtime> = there.collect();
    if there.is_empty() {
        there =
            RUNTIMES.iter().filter(|runtime| runtime.files.iter().any(|file| host.exists(file))).collect();
    }
    if there.is_empty() {
        check.unseen("the container runtime", "no configuration of containerd or CRI-O was found below /etc");
    }
    for runtime in there {
        let settings = settings(host, check, runtime);
        judge(check, runtime.name, &settings);
    }
}

fn judge(check: &mut Check, runtime: &str, settings: &Settings) {
    let restart = format!("then systemctl restart {runtime}");
    if let Some((file, false)) = &settings.enable {
        return check.found(
            &OFF,
            format!("{file} has enable_cdi = false"),
            format!("write enable_cdi = true there, {restart}"),
        );
    }
    if let Some((file, folders)) = &settings.folders
        && ![FOLDER, "/run/cdi"]
            .iter()
            .any(|folder| folders.split(['"', '\'']).any(|one| one.trim_end_matches('/') == *folder))
    {
        return check.found(
            &FOLDER_UNREAD,
            format!("{file} has cdi_spec_dirs = {folders}, without {FOLDER}"),
            format!("add \"{FOLDER}\" there, {restart}"),
        );
    }
    if runtime != "containerd" || settings.enable.is_some() || settings.version >= Some(3) {
        return check.fine(format!("{runtime} reads them"));
    }
    match &settings.file {
        Some(file) => check.found(
            &NOT_ENABLED,
            format!("{file} (version {}) has no enable_cdi", settings.version.unwrap_or(1)),
            format!(
                "write below [plugins.\"io.containerd.grpc.v1.cri\"] there: enable_cdi = true and cdi_spec_dirs = [\"{STATIC_FOLDER}\", \
                 \"{FOLDER}\"], {restart}"
            ),
        ),
        None => check.unseen(
            "whether containerd reads CDI files",
            "it has no configuration: version 1.7 does not read them by default, version 2 does",
        ),
    }
}

fn settings(host: &Host, check: &mut Check, runtime: &Runtime) -> Settings {
    let mut settings = Settings::default();
    for (file, lines) in lines_of(host, check, runtime) {
        for (key, value) in lines {
            match key.as_str() {
                "enable_cdi" => settings.enable = Some((file.clone(), value == "true")),
                "cdi_spec_dirs" => settings.folders = Some((file.clone(), value)),
                _ => settings.version = settings.version.max(value.parse().ok()),
            }
        }
        settings.file.get_or_insert(file);
    }
    settings
}

/// The settings of all runtimes on the node that have to do with CDI, by file, and no others: `version`, `enable_cdi` and
/// `cdi_spec_dirs`.
pub fn runtime_settings(host: &Host) -> Vec<(String, Vec<(String, String)>)> {
    let mut check = Check::new("cdi");
    RUNTIMES.iter().flat_map(|runtime| lines_of(host, &mut check, runtime)).collect()
}

fn lines_of(host: &Host, check: &mut Check, runtime: &Runtime) -> Vec<(String, Vec<(String, String)>)> {
    let mut files: Vec<String> = runtime.files.iter().map(|file| (*file).to_owned()).collect();
    for folder in runtime.folders {
        let names = check.see(host.names(folder)).unwrap_or_default();
        files.extend(names.iter().take(MOST_FILES).map(|name| format!("{folder}/{name}")));
    }
    let mut found = Vec::new();
    for file in files {
        if let Some(text) = check.see(host.read(&file)) {
            found.push((file, assignments(&text)));
        }
    }
    found
}

/// The assignments that matter here; a list may go over several lines.
fn assignments(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    while let Some(line) = lines.next() {
        let Some((key, value)) = line.split_once('=') else { continue };
        let (key, mut value) = (key.trim(), value.trim().to_owned());
        if !["version", "enable_cdi", "cdi_spec_dirs"].contains(&key) {
            continue;
        }
        while value.starts_with('[') && !value.contains(']') {
            let Some(more) = lines.next() else { break };
            value.push_str(more);
        }
        found.push((key.to_owned(), value));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// File systems like that cannot be made without rights.
    #[test]
    fn the_folder_must_take_writes() {
        for (room, is_fine) in [(Room::Some, true), (Room::Full, false), (Room::ReadOnly, false)] {
            let mut check = Check::new("cdi");
            judge_room(&mut check, room);
            assert_eq!(check.findings.is_empty(), is_fine, "{room:?}");
            assert!(check.findings.iter().all(|finding| finding.kind == &UNWRITABLE), "{room:?}");
        }
    }

    #[test]
    fn devices_are_read_from_json_and_from_yaml() {
        let json =
            r#"{"cdiVersion": "0.5.0", "kind": "v.com/card", "devices": [{"name": "a"}, {"name": "b"}]}"#;
        let yaml = "---\ncdiVersion: 0.5.0\nkind: v.com/card\ncontainerEdits: {}\ndevices:\n- containerEdits:\n    hooks:\n    - \
                    hookName: x\n      name: no\n  name: a\n- name: \"b\"\n  containerEdits: {}\n";
        let indented = "kind: \"v.com/card\"\ndevices:\n  - name: a\n    containerEdits:\n      deviceNodes:\n        - name: no\n  - \
                        name: b\nname: no\n";
        for text in [json, yaml, indented] {
            assert_eq!(devices_of(text).unwrap(), ["v.com/card=a", "v.com/card=b"], "{text}");
        }
        for text in
            ["", "{", "{}", "kind: v.com/card", "kind: v.com/card\ndevices:\n", "devices:\n- name: a\n"]
        {
            assert_eq!(devices_of(text), None, "{text}");
        }
    }

    #[test]
    fn settings_are_read_without_comments_and_over_lines() {
        let text = "version = 2 # layout\n# enable_cdi = true\n[plugins.x]\n  enable_cdi = false\ncdi_spec_dirs = [\n  \"/a\", # one\n  \
                    \"/b\",\n]\npassword = \"secret\"\nenable_cdi";
        let found = assignments(text);
        let expected = [("version", "2"), ("enable_cdi", "false"), ("cdi_spec_dirs", "[\"/a\",\"/b\",]")];
        let expected: Vec<_> =
            expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!(found, expected);
        assert_eq!(assignments("cdi_spec_dirs = [").len(), 1);
    }
}
