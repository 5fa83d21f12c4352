#![no_main]
#![allow(dead_code)]

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

#[path = "../../node/src/families.rs"]
mod families;
#[path = "../../node/src/plugin_flags.rs"]
mod plugin_flags;

#[path = "../../node/src/node"]
mod node {
    pub(crate) mod config;
}

#[path = "../../node/src/plan"]
mod plan {
    use std::collections::BTreeMap;

    mod configuration;
    mod manifest;

    use configuration::{Configuration, Plugin};

    use crate::plugin_flags::PluginFlags;

    /// The flags of each family that a file has on a node; or what is wrong with the file.
    pub(crate) fn flags(file: &str, node: &str) -> Result<BTreeMap<&'static str, Vec<String>>, String> {
        let configuration = Configuration::of(file, &PluginFlags::default(), node)?;
        let families = configuration.families.into_iter().filter_map(|(family, plugin)| match plugin {
            Plugin::On { flags, .. } => Some((family, flags)),
            Plugin::Off => None,
        });
        Ok(families.collect())
    }
}

thread_local! {
    static FILE: LazyCell<PathBuf> = const { LazyCell::new(|| fuzz::folder("plan").join("file")) };
}

/// What a file of this content has on, and what is wrong with it.
fn flags(text: &str) -> Result<BTreeMap<&'static str, Vec<String>>, String> {
    FILE.with(|file| {
        std::fs::write(&**file, text).expect("a file");
        plan::flags(file.to_str().expect("text"), "worker-1")
    })
}

// What `plan` is given: manifests, or the file of `node`.
fuzz_target!(|text: &str| {
    let wanted = match flags(text) {
        Ok(wanted) => wanted,
        Err(error) => return assert!(error.contains("/file: "), "{error}"),
    };
    // Nothing to run is no manifest.
    if wanted.is_empty() {
        return;
    }
    // A manifest that says the same, in each way in which one can.
    let container = |family: &families::Family, flags: &[String], way: usize| match way {
        0 => json!({ "command": [format!("/usr/local/bin/{}", family.entry_point)], "args": flags }),
        1 => {
            json!({ "image": format!("example.org:5000/intel-{}-plugin:1@sha256:0", family.name), "args": flags })
        }
        _ => {
            let words = [&[family.name.to_owned()], flags].concat();
            json!({ "image": "intel/intel-device-plugins", "args": words })
        }
    };
    let objects = |way: usize| -> Vec<Value> {
        let wanted = wanted.iter().map(|(name, flags)| (families::named(name).expect("a family"), flags));
        let containers = wanted.map(|(family, flags)| container(family, flags, way));
        let pods = containers.map(|container| json!({ "containers": [{ "name": "other" }, container] }));
        let daemon_set = |pod| json!({ "kind": "DaemonSet", "spec": { "template": { "spec": pod } } });
        pods.map(|pod| if way == 0 { json!({ "kind": "Pod", "spec": pod }) } else { daemon_set(pod) })
            .collect()
    };
    for way in 0..3 {
        let documents: Vec<String> = objects(way).iter().map(Value::to_string).collect();
        let list = json!({ "kind": "List", "items": objects(way) }).to_string();
        for manifest in [documents.join("\n---\n"), list] {
            assert_eq!(flags(&manifest).as_ref(), Ok(&wanted), "{manifest}");
        }
    }
    // A file of `node` means the same in a ConfigMap.
    let map = json!({ "kind": "ConfigMap", "data": { "config.yaml": text } }).to_string();
    if let Ok(mapped) = flags(&map) {
        assert_eq!(mapped, wanted, "{map}");
    }
});
