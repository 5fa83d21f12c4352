//! CDI: the folders of its files, and whether the container runtime reads them.

use std::collections::BTreeMap;

use host::{Host, Room};
use serde_json::Value;

use crate::Severity::{Error, Warning};
use crate::{Check, Kind, Needs, count, some_of};

/// Where plugins write files; `/run/cdi` for runtimes.
pub const FOLDER: &str = "/var/run/cdi";
/// Where administrators do.
pub const STATIC_FOLDER: &str = "/etc/cdi";
/// More files than a node can have devices.
pub const MOST_FILES: usize = 2000;

/// How k3s and RKE2 take what is to be in the configuration that they write.
const TEMPLATE: &str = "in its template beside it, config.toml.tmpl, or config-v3.toml.tmpl for containerd 2";
const RUNTIMES: [Runtime; 4] = [
    Runtime {
        name: "containerd",
        service: "containerd",
        sockets: &["/run/containerd/containerd.sock"],
        file: "/etc/containerd/config.toml",
        folder: Some("/etc/containerd/conf.d"),
        place: "there",
    },
    Runtime {
        name: "containerd",
        service: "k3s, or k3s-agent",
        sockets: &[OF_RANCHER],
        file: "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
        folder: None,
        place: TEMPLATE,
    },
    Runtime {
        name: "containerd",
        service: "rke2-server, or rke2-agent",
        sockets: &[OF_RANCHER],
        file: "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
        folder: None,
        place: TEMPLATE,
    },
    Runtime {
        name: "crio",
        service: "crio",
        sockets: &["/run/crio/crio.sock", "/var/run/crio/crio.sock"],
        file: "/etc/crio/crio.conf",
        folder: Some("/etc/crio/crio.conf.d"),
        place: "there",
    },
];
const OF_RANCHER: &str = "/run/k3s/containerd/containerd.sock";

/// A container runtime, and where its configuration is.
#[derive(Debug)]
struct Runtime {
    name: &'static str,
    /// What to restart.
    service: &'static str,
    /// By one of these it is known to run.
    sockets: &'static [&'static str],
    file: &'static str,
    /// Of more files.
    folder: Option<&'static str>,
    /// Where to write what is to be in a file.
    place: &'static str,
}

impl Runtime {
    /// Whether it runs. Two have the same socket, and write their file when they start.
    fn is_there(&self, host: &Host) -> bool {
        self.sockets.iter().any(|socket| host.exists(socket))
            && (self.place != TEMPLATE || host.exists(self.file))
    }
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

/// Looks at the folders and, on a node that has one, at the runtime, where devices need it.
pub fn check(host: &Host, needs: Needs, has_runtime: bool) -> Check {
    let mut check = Check::new("cdi");
    if !needs.cdi {
        check.fine("not needed");
        return check;
    }
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
            format!(
                "restart the program that writes it, or rm {}",
                bad.iter().map(|path| quoted(path)).collect::<Vec<_>>().join(" ")
            ),
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

/// As one word of a command, whatever is in it.
fn quoted(path: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    if path.chars().all(is_plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

/// The devices of a CDI file with their kind. Runtimes take any file for YAML, and numbers for texts.
fn devices_of(text: &str) -> Option<Vec<String>> {
    let options = serde_saphyr::options! { with_snippet: false };
    let yaml = || serde_saphyr::from_str_with_options(text, options).ok();
    let spec: Value = serde_json::from_str(text).ok().or_else(yaml)?;
    let word = |value: &Value| match value {
        Value::String(word) => Some(word.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let kind = word(spec.get("kind")?)?;
    let devices = spec.get("devices")?.as_array()?;
    devices.iter().map(|device| Some(format!("{kind}={}", word(device.get("name")?)?))).collect()
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
    let mut there: Vec<&Runtime> = RUNTIMES.iter().filter(|runtime| runtime.is_there(host)).collect();
    if there.is_empty() {
        there = RUNTIMES.iter().filter(|runtime| host.exists(runtime.file)).collect();
    }
    if there.is_empty() {
        check.unseen("the container runtime", "no configuration of containerd or CRI-O was found below /etc");
    }
    for runtime in there {
        let settings = settings(host, check, runtime);
        judge(check, runtime, &settings);
    }
}

fn judge(check: &mut Check, runtime: &Runtime, settings: &Settings) {
    let Runtime { name, service, place, .. } = runtime;
    let restart = format!("then systemctl restart {service}");
    if let Some((file, false)) = &settings.enable {
        return check.found(
            &OFF,
            format!("{file} has enable_cdi = false"),
            format!("write enable_cdi = true {place}, {restart}"),
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
            format!("add \"{FOLDER}\" {place}, {restart}"),
        );
    }
    if *name != "containerd" || settings.enable.is_some() || settings.version >= Some(3) {
        return check.fine(format!("{name} reads them"));
    }
    match &settings.file {
        Some(file) => check.found(
            &NOT_ENABLED,
            format!("{file} (version {}) has no enable_cdi", settings.version.unwrap_or(1)),
            format!(
                "write below [plugins.\"io.containerd.grpc.v1.cri\"] {place}: enable_cdi = true and cdi_spec_dirs = [\"{STATIC_FOLDER}\", \
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
    let mut files = vec![runtime.file.to_owned()];
    if let Some(folder) = runtime.folder {
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
        let flow = "cdiVersion: 0.5.0\n\"kind\": v.com/card\ndevices: [{name: a, containerEdits: {}}, {'name': b}]\n";
        let braces = "{kind: v.com/card, devices: [\n  {name: a}, {name: b}]}";
        let tabs = "{\n\t\"kind\": \"v.com/card\",\n\t\"devices\": [{\"name\": \"a\"}, {\"name\": \"b\"}]\n}";
        for text in [json, yaml, indented, flow, braces, tabs] {
            assert_eq!(devices_of(text).unwrap(), ["v.com/card=a", "v.com/card=b"], "{text}");
        }
        assert_eq!(devices_of("kind: v.com/card\ndevices:\n- name: 0\n").unwrap(), ["v.com/card=0"]);
        for text in [
            "",
            "{",
            "{}",
            "kind: v.com/card",
            "kind: v.com/card\ndevices:\n",
            "devices:\n- name: a\n",
            "\tkind: [",
            "bad",
        ] {
            assert_eq!(devices_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_file_may_have_any_name_in_a_command() {
        assert_eq!(quoted("/etc/cdi/a-1_b.yaml"), "/etc/cdi/a-1_b.yaml");
        assert_eq!(quoted("/etc/cdi/a; id '.json"), r"'/etc/cdi/a; id '\''.json'");
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
