#![no_main]

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use device_plugin::{Checkpoint, Held};
use doctor::{Needs, cdi};
use fuzz::Place;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const KUBELET: &str = "var/lib/kubelet/device-plugins";
const RUNTIME: &str = "etc/containerd/config.toml";

thread_local! {
    static PLACE: LazyCell<Place> = const { LazyCell::new(|| {
        let place = Place::new("doctor");
        for folder in [KUBELET, "etc/cdi", "etc/containerd"] {
            place.make(folder);
        }
        place
    })};
}

// A file that `doctor` or `plan` reads of a node: the kubelet's notes, a CDI file or the container runtime's settings. It is taken
// for each of them.
fuzz_target!(|text: &str| {
    PLACE.with(|place| {
        let json: Option<Value> = serde_json::from_str(text.trim()).ok();
        place.write(&format!("{KUBELET}/kubelet_internal_checkpoint"), text);
        if let (Ok(checkpoint), Some(json)) = (Checkpoint::read(&place.host, format!("/{KUBELET}")), &json) {
            check_notes(&checkpoint, json);
        }

        place.write(RUNTIME, text);
        place.write("etc/cdi/a.json", text);
        let devices = json.as_ref().and_then(devices_of);
        place.write(
            "etc/cdi/b.yaml",
            &devices.as_ref().map_or(text.to_owned(), |_| yaml(json.as_ref().unwrap())),
        );
        let check = cdi::check(&place.host, Needs { cdi: true, ..Needs::default() }, true);
        for device in devices.into_iter().flatten() {
            let found = format!("{device} is in a.json, b.yaml of ");
            assert!(
                check.findings.iter().any(|finding| finding.what.starts_with(&found)),
                "{device}: {check:?}"
            );
        }

        let settings = cdi::runtime_settings(&place.host);
        let keys = || settings.iter().flat_map(|(_, lines)| lines.iter().map(|(key, _)| key.as_str()));
        assert!(keys().all(|key| ["version", "enable_cdi", "cdi_spec_dirs"].contains(&key)), "{settings:?}");
        let remarked: Vec<String> =
            text.lines().map(|line| format!("\t{line} # enable_cdi = false")).collect();
        place.write(RUNTIME, &remarked.join("\n"));
        assert_eq!(cdi::runtime_settings(&place.host), settings, "remarks change nothing");
    });
});

/// The kubelet's notes are what another reader finds in them.
fn check_notes(checkpoint: &Checkpoint, json: &Value) {
    let data = field(json, "Data", 0);
    let registered: BTreeMap<&str, BTreeSet<&str>> = match field(data, "RegisteredDevices", 1) {
        Value::Object(resources) => {
            resources.iter().map(|(name, ids)| (name.as_str(), texts(ids).collect())).collect()
        }
        _ => BTreeMap::new(),
    };
    let offered = checkpoint.offer.resources.iter();
    let offered: BTreeMap<&str, BTreeSet<&str>> = offered
        .map(|(name, devices)| (name.as_str(), devices.keys().map(String::as_str).collect()))
        .collect();
    assert_eq!(offered, registered);
    let text = |entry: &Value, name, place| field(entry, name, place).as_str().expect("a text").to_owned();
    let entries = field(data, "PodDeviceEntries", 0).as_array().into_iter().flatten();
    let mut held: Vec<Held> = entries
        .map(|entry| Held {
            pod: text(entry, "PodUID", 0),
            container: text(entry, "ContainerName", 1),
            resource: text(entry, "ResourceName", 2),
            devices: match field(entry, "DeviceIDs", 3) {
                Value::Object(nodes) => nodes.values().flat_map(texts).map(str::to_owned).collect(),
                _ => BTreeSet::new(),
            },
        })
        .collect();
    held.sort_unstable();
    assert_eq!(checkpoint.held, held);
}

/// By its name, or in a list by its place, which nobody writes and `serde` takes.
fn field<'a>(value: &'a Value, name: &str, place: usize) -> &'a Value {
    value.get(name).or_else(|| value.get(place)).unwrap_or(&Value::Null)
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().expect("a text"))
}

/// The devices of a CDI file that has some, each once, under names as CDI wants them.
fn devices_of(json: &Value) -> Option<Vec<String>> {
    let is_name = |name: &&str| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b))
    };
    let kind = json.as_object()?.get("kind")?.as_str()?;
    let (vendor, class) = kind.split_once('/').filter(|(vendor, class)| is_name(vendor) && is_name(class))?;
    let devices = json.get("devices")?.as_array()?.iter();
    let names: Vec<&str> =
        devices.map(|device| device.get("name")?.as_str().filter(is_name)).collect::<Option<_>>()?;
    let different: BTreeSet<&str> = names.iter().copied().collect();
    let is_good = !names.is_empty() && different.len() == names.len();
    is_good.then(|| names.iter().map(|name| format!("{vendor}/{class}={name}")).collect())
}

/// As Go programs write YAML: keys sorted, lists not indented.
fn yaml(json: &Value) -> String {
    fn lines(value: &Value, indent: &str, text: &mut String) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (number, (key, value)) in map.iter().enumerate() {
                    // The first stands behind the dash of a list.
                    let before = if number == 0 && text.ends_with("- ") { "" } else { indent };
                    let is_word = !key.is_empty()
                        && !key.eq_ignore_ascii_case("null")
                        && key.bytes().all(|b| b.is_ascii_alphabetic());
                    let key = if is_word { key.clone() } else { Value::from(key.as_str()).to_string() };
                    *text += &format!("{before}{key}:");
                    match value {
                        Value::Object(map) if !map.is_empty() => {
                            text.push('\n');
                            lines(value, &format!("{indent}  "), text);
                        }
                        Value::Array(list) if !list.is_empty() => {
                            text.push('\n');
                            lines(value, indent, text);
                        }
                        value => *text += &format!(" {value}\n"),
                    }
                }
            }
            Value::Array(list) if !list.is_empty() => {
                for (number, value) in list.iter().enumerate() {
                    let before = if number == 0 && text.ends_with("- ") { "" } else { indent };
                    *text += &format!("{before}- ");
                    lines(value, &format!("{indent}  "), text);
                }
            }
            value => *text += &format!("{value}\n"),
        }
    }
    let mut text = String::new();
    lines(json, "", &mut text);
    text
}
