//! The same files, given to accel-config (Debian's package of that name, or another's): it must write the same values, and
//! show what we have configured as the file says it.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

use crate::scene::{Scene, edited, fresh_iaa, newest_dsa};

/// A file with all that accel-config knows.
const ALL: &str = include_str!("accel-config.conf");

/// What accel-config prints when the node's `/sys` is in its place. `None`: it cannot be run here.
fn accel_config(scene: &Scene, args: &[&str]) -> Option<String> {
    if let Err(why) = can_run() {
        assert!(std::env::var_os("CI").is_none(), "{why}");
        tell(&why);
        return None;
    }
    let sys = scene.kernel.node().root().join("sys");
    let script = "mount --bind \"$0\" /sys && exec accel-config \"$@\"";
    let output = unshare().args(["sh", "-c", script]).arg(sys).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "accel-config {args:?}: {}\n{said}", output.status);
    Some(String::from_utf8(output.stdout).unwrap())
}

#[expect(clippy::print_stdout, reason = "whoever runs the tests should know")]
fn tell(why: &str) {
    println!("left out: {why}");
}

/// A mount namespace of its own.
fn unshare() -> Command {
    let mut unshare = Command::new("unshare");
    unshare.arg("--mount");
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        unshare.arg("--map-root-user");
    }
    unshare
}

fn can_run() -> Result<(), String> {
    if let Err(error) = Command::new("accel-config").arg("version").output() {
        return Err(format!("accel-config cannot be run: {error}; install the package accel-config"));
    }
    let mounted = unshare().args(["mount", "--bind", "/", "/mnt"]).output();
    match mounted {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("nothing can be mounted: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(format!("unshare cannot be run: {error}; install the package util-linux")),
    }
}

/// Whether the installed one knows an attribute; version 3 did not know those of Linux 6.
fn knows(scene: &Scene, attribute: &str) -> bool {
    const SINCE_4: [&str; 5] =
        ["event_log_size", "desc_progress_limit", "batch_progress_limit", "prs_disable", "op_config"];
    let version = accel_config(scene, &["--version"]).unwrap();
    !(version.starts_with("3.") && SINCE_4.contains(&attribute))
}

/// All attributes of accelerators and their parts, by the path that a plan would have.
fn attributes(scene: &Scene) -> BTreeMap<PathBuf, String> {
    let bus = Path::new("/sys/bus/dsa/devices");
    let host = scene.kernel.host();
    let mut found = BTreeMap::new();
    for part in host.names(bus).unwrap() {
        for name in host.names(bus.join(&part)).unwrap() {
            let path = bus.join(&part).join(&name);
            // It clears the status when it only looks.
            if let Ok(text) = host.read(&path)
                && name != "cmd_status"
            {
                found.insert(path, text);
            }
        }
    }
    found
}

/// The attributes with the writes of a plan made.
fn planned(scene: &Scene, plan: &str) -> BTreeMap<PathBuf, String> {
    let mut found = attributes(scene);
    for line in plan.lines().filter(|line| line.starts_with("/sys/bus/dsa/devices/")) {
        let (path, value) = line.split_once(" = ").unwrap();
        assert!(found.insert(path.into(), value.to_owned()).is_some(), "{path}");
    }
    found
}

#[test]
fn accel_config_writes_the_same() {
    let dsa = edited("", "");
    let texts = [
        ("dsa", ALL.to_owned()),
        ("dsa", dsa.clone()),
        ("dsa", dsa.replace("dedicated", "shared")),
        ("iaa", include_str!("../../src/setup/iaa.conf").to_owned()),
    ];
    for (kind, text) in texts {
        let scene = if kind == "dsa" { newest_dsa() } else { Scene::of(&fresh_iaa(1)) };
        let path = scene.config(&format!("{kind}.conf"), &text);
        let run = if kind == "dsa" { scene.dsa(&["-dry-run"]) } else { scene.iaa(&["-dry-run"]) };
        let ours = planned(&scene, run.plan());
        let before = attributes(&scene);
        // It knows no X.
        std::fs::write(&path, text.replace('X', if kind == "dsa" { "0" } else { "1" })).unwrap();
        let Some(_) = accel_config(&scene, &["load-config", "-c", path.to_str().unwrap()]) else { return };
        let theirs = attributes(&scene);
        assert_eq!(ours.len(), theirs.len());
        for (path, value) in theirs {
            // It writes as sysfs wants it: the end of a longer text that was there stays.
            let value = value.trim_end_matches('\0');
            let rest = before[&path].get(ours[&path].len()..).unwrap_or_default();
            if ours[&path] != value && format!("{}{rest}", ours[&path]) != value {
                let name = path.file_name().unwrap().to_str().unwrap();
                assert!(!knows(&scene, name), "{}: {:?} is not {value:?}", path.display(), ours[&path]);
            }
        }
    }
}

/// Looks whether all that a file says of a part is what accel-config shows; `found` is all that it shows.
fn compare(scene: &Scene, wanted: &Map<String, Value>, found: &Map<String, Value>) -> usize {
    let mut compared = 0;
    for (key, value) in wanted {
        match value {
            Value::Array(parts) => {
                for part in parts {
                    let shown = found[key].as_array().unwrap();
                    let same = shown.iter().find(|other| other["dev"] == part["dev"]).unwrap();
                    compared += compare(scene, part.as_object().unwrap(), same.as_object().unwrap());
                }
            }
            _ if !found.contains_key(key) => assert!(!knows(scene, key), "{key} of {}", wanted["dev"]),
            _ if key == "threshold" && wanted["mode"] == "dedicated" => assert_eq!(found[key], 0),
            _ => {
                assert_eq!(*value, found[key], "{key} of {}", wanted["dev"]);
                compared += 1;
            }
        }
    }
    compared
}

fn shown(text: &str) -> Vec<Map<String, Value>> {
    let devices: Value = serde_json::from_str(text).unwrap();
    devices.as_array().unwrap().iter().map(|device| device.as_object().unwrap().clone()).collect()
}

#[test]
fn accel_config_shows_what_was_configured_and_saves_a_file_for_it() {
    let built_in = edited("", "").replace('X', "0");
    for (text, least) in [(ALL, 40), (&built_in, 60)] {
        let scene = newest_dsa();
        let path = scene.config("dsa.conf", text);
        assert_eq!(scene.dsa(&[]).plan(), "");
        let Some(list) = accel_config(&scene, &["list"]) else { return };
        let (wanted, found) = (shown(text), shown(&list));
        assert_eq!((wanted.len(), found.len()), (1, 1), "{list}");
        assert_eq!(found[0]["state"], "enabled");
        let compared = compare(&scene, &wanted[0], &found[0]);
        assert!(compared > least, "only {compared} values were compared");
        let queues = list.matches("\"state\":\"enabled\"").count() - 1;
        assert_eq!(queues, text.matches("\"priority\"").count());

        if text == built_in || knows(&scene, "op_config") {
            accel_config(&scene, &["save-config", "-s", path.to_str().unwrap()]).unwrap();
            assert_ne!(std::fs::read_to_string(&path).unwrap(), text);
            assert_eq!(scene.dsa(&["-dry-run"]).text, "# dsa0: nothing to write\n");
        }
    }
}
