//! What inventories offer, what the kubelet remembers, and how the two differ.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;

use device_plugin::{
    Checkpoint, Device, DevicePlugin, DeviceSpec, DiscoverError, Health, Inventory, Offer, error_chain,
};
use host::Host;

const FOLDER: &str = "/var/lib/kubelet/device-plugins";

struct Colors;

impl DevicePlugin for Colors {
    fn namespace(&self) -> &'static str {
        "color.example.com"
    }

    fn discover(&self, _host: &Host) -> Result<Inventory, DiscoverError> {
        Ok(Inventory::default())
    }

    fn list_size_flag(&self) -> Option<&'static str> {
        Some("-units")
    }
}

/// An offer of devices; `red:1!` is an unhealthy one.
fn offer(devices: &[&str]) -> Offer {
    let mut resources: BTreeMap<String, BTreeMap<String, Health>> = BTreeMap::new();
    for device in devices {
        let (resource, id) = device.split_once(':').unwrap();
        let (id, health) = match id.strip_suffix('!') {
            Some(id) => (id, Health::Unhealthy("dry".to_owned())),
            None => (id, Health::Healthy),
        };
        resources.entry(resource.to_owned()).or_default().insert(id.to_owned(), health);
    }
    Offer { resources }
}

fn checkpoint(text: impl AsRef<[u8]>) -> Result<Checkpoint, String> {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join(&FOLDER[1..]);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("kubelet_internal_checkpoint"), text).unwrap();
    Checkpoint::read(&Host::at(root.path()).unwrap(), FOLDER).map_err(|error| error_chain(&error))
}

#[test]
fn an_inventory_is_offered_under_full_names_without_what_the_kubelet_does_not_take() {
    let mut inventory = Inventory::default();
    inventory.add("red", "1", Device::healthy(DeviceSpec::default()));
    let sick =
        Device { health: Health::Unhealthy("dry".to_owned()), ..Device::healthy(DeviceSpec::default()) };
    inventory.add("red", "2", sick);
    inventory.add("red", "x".repeat(64), Device::healthy(DeviceSpec::default()));
    inventory.add("no name", "1", Device::healthy(DeviceSpec::default()));
    for unit in 0..80_000 {
        let id = format!("{unit:060}");
        inventory.add("many", id, Device::healthy(DeviceSpec::default()));
    }
    inventory.warn("blue is not there");
    let mut found = Offer::default();
    let warnings: Vec<String> = found.add(&Colors, inventory).into_iter().collect();
    assert_eq!(found, offer(&["color.example.com/red:1", "color.example.com/red:2!"]));
    let expected = [
        "blue is not there",
        "color.example.com/many is not offered as it is now",
        "device left out: its id \"xxx",
        "resource left out: \"no name\"",
    ];
    assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
    for (warning, expected) in warnings.iter().zip(expected) {
        assert!(warning.starts_with(expected), "{warning}");
    }
    assert!(warnings[1].ends_with("; lower -units"), "{}", warnings[1]);
}

#[test]
fn offers_differ_by_resources_ids_and_health() {
    let before = offer(&["a/x:1", "a/x:2", "a/y:1", "a/z:1", "a/same:1!"]);
    let after = offer(&["a/x:2", "a/x:3", "a/x:4", "a/z:1!", "a/new:1", "a/same:1!"]);
    let shown: Vec<String> = before
        .differences(&after)
        .into_iter()
        .map(|d| {
            let (come, go, health) = (d.come.join(","), d.go.join(","), d.change_health.join(","));
            format!("{} {}->{} +{come} -{go} ~{health}", d.resource, d.before, d.after)
        })
        .collect();
    let expected = ["a/new 0->1 +1 - ~", "a/x 2->3 +3,4 -1 ~", "a/y 1->0 + -1 ~", "a/z 1->1 + - ~1"];
    assert_eq!(shown, expected);
    assert!(after.differences(&after).is_empty());
}

#[test]
fn a_resource_without_devices_is_as_good_as_none() {
    let mut empty = Offer::default();
    empty.resources.entry("a/x".to_owned()).or_default();
    assert!(empty.differences(&Offer::default()).is_empty());
    assert!(Offer::default().differences(&empty).is_empty());
    assert!(offer(&["a/x:1!"]).healthy().differences(&empty).is_empty());
}

/// As `writeCheckpoint` of the kubelet's device manager writes it; Go has `null` for what is empty.
#[test]
fn the_kubelets_checkpoint_is_read() {
    let found = checkpoint(
        r#"{"Data":{"PodDeviceEntries":[
            {"PodUID":"uid-2","ContainerName":"c","ResourceName":"a/x","DeviceIDs":{"0":["2"],"-1":["1","3"]},"AllocResp":"CgA="},
            {"PodUID":"uid-1","ContainerName":"c","ResourceName":"a/x","DeviceIDs":null,"AllocResp":null}],
            "RegisteredDevices":{"a/x":["3","1","2"],"a/gone":null,"a/empty":[]}},"Checksum":18446744073709551615,"BootID":"b"}"#,
    )
    .unwrap();
    assert!(offer(&["a/x:1", "a/x:2", "a/x:3"]).differences(&found.offer).is_empty());
    assert_eq!(found.offer.resources.keys().collect::<Vec<_>>(), ["a/empty", "a/gone", "a/x"]);
    let held: Vec<_> = found.held.iter().map(|h| (h.pod.as_str(), h.devices.len())).collect();
    assert_eq!(held, [("uid-1", 0), ("uid-2", 3)]);
    assert!(
        checkpoint(r#"{"Data":{"PodDeviceEntries":null,"RegisteredDevices":null},"Checksum":1}"#).is_ok()
    );
}

#[test]
fn a_damaged_checkpoint_is_an_error_that_names_the_file() {
    let deep = format!("{{\"Data\":{}", "[".repeat(100_000));
    let damaged: [&[u8]; 6] = [
        b"",
        b"{}",
        b"{\"Data\":[",
        b"{\"Data\":{\"RegisteredDevices\":{\"a/x\":[1]}}}",
        b"\xff\xfe",
        deep.as_bytes(),
    ];
    for text in damaged {
        let error = checkpoint(text).unwrap_err();
        assert!(
            error.starts_with(&format!("cannot understand {FOLDER}/kubelet_internal_checkpoint: ")),
            "{error}"
        );
    }
}

#[test]
fn a_checkpoint_that_is_no_plain_file_or_too_long_is_not_read() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::at(root.path()).unwrap();
    let folder = root.path().join(&FOLDER[1..]);
    assert!(Checkpoint::read(&host, FOLDER).unwrap_err().is_not_found());
    let file = folder.join("kubelet_internal_checkpoint");
    fs::create_dir_all(&file).unwrap();
    let error = Checkpoint::read(&host, FOLDER).unwrap_err();
    assert!(error_chain(&error).contains("not a plain file"), "{}", error_chain(&error));
    fs::remove_dir(&file).unwrap();
    // Its blocks are not there, but it has the length.
    fs::File::create(&file).unwrap().set_len(65 << 20).unwrap();
    let error = Checkpoint::read(&host, FOLDER).unwrap_err();
    assert!(error_chain(&error).contains("more than 67108864 bytes"), "{}", error_chain(&error));
}
