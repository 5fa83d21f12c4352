#![no_main]

use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use device_plugin::{DevicePlugin, Rescan};
use host::{Host, PciFunction, pci};
use libfuzzer_sys::fuzz_target;

#[path = "../../node/src/families.rs"]
#[allow(dead_code)]
mod families;

struct Place {
    host: Host,
    plugins: Vec<Arc<dyn DevicePlugin>>,
    /// Every attribute of the node, sorted.
    files: Vec<PathBuf>,
}

impl Place {
    fn new() -> Self {
        let node = fuzz::node(&fuzz::folder("attributes"));
        let plugin = |family: &families::Family| {
            (family.parse)(&[]).expect("defaults")(&node.host(), &Rescan::default())
        };
        let mut files = Vec::new();
        list(node.root(), &mut files);
        files.sort_unstable();
        Self { host: node.host(), plugins: families::FAMILIES.iter().map(plugin).collect(), files }
    }

    /// What a plugin makes of the node, and what is said of its PCI functions.
    fn look(&self, plugin: &dyn DevicePlugin) {
        let [first, second] = [(); 2].map(|()| plugin.discover(&self.host));
        let (first, second) = match (first, second) {
            (Ok(first), Ok(second)) => (first, second),
            (Err(first), Err(second)) => {
                return assert_eq!(first.to_string(), second.to_string());
            }
            (first, second) => panic!("{first:?} and then {second:?}"),
        };
        assert_eq!(first.resources, second.resources, "the same node, other devices");
        for (name, resource) in &first.resources {
            assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "{name:?}");
            for (id, device) in &resource.devices {
                assert!(!id.is_empty() && !id.contains(char::is_control), "{id:?}");
                let nodes = device.spec.edits.nodes.iter().map(|node| &node.container_path);
                for path in nodes.chain(device.spec.edits.mounts.iter().map(|mount| &mount.container_path)) {
                    let is_up = path.components().any(|part| part.as_os_str() == "..");
                    assert!(
                        path.is_absolute() && !is_up && !path.as_os_str().as_bytes().contains(&0),
                        "{path:?}"
                    );
                }
            }
        }
        for address in pci::addresses(&self.host).expect("a folder of functions") {
            let Ok(function) = PciFunction::at(&self.host, address) else { continue };
            if let Some(places) = function.virtual_addresses(20) {
                assert_eq!(places.len(), 20);
                assert_eq!(places.iter().collect::<BTreeSet<_>>().len(), 20, "{places:?}");
            }
            if let Ok(nodes) = function.numa_nodes() {
                assert!(nodes.is_sorted_by(|a, b| a < b) && nodes.iter().all(|node| *node < 1024));
            }
        }
    }
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            list(&entry.path(), files);
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
}

thread_local! {
    static PLACE: LazyCell<Place> = const { LazyCell::new(Place::new) };
}

// A letter chooses a plugin. Then what attributes hold, with a zero byte between them: two bytes choose an attribute, the rest is
// what it holds.
fuzz_target!(|content: &[u8]| {
    PLACE.with(|place| {
        let Some((first, mut changes)) = content.split_first() else { return };
        let plugin = &place.plugins[usize::from(*first) % place.plugins.len()];
        let mut before = Vec::new();
        while let [first, second, rest @ ..] = changes {
            let (text, after) = rest.split_at(rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len()));
            changes = after.get(1..).unwrap_or_default();
            let index = usize::from(u16::from_be_bytes([*first, *second])) % place.files.len();
            let path = &place.files[index];
            before.push((path, std::fs::read(path).expect("an attribute")));
            std::fs::write(path, text).expect("an attribute");
        }
        place.look(&**plugin);
        for (path, text) in before.into_iter().rev() {
            std::fs::write(path, text).expect("an attribute");
        }
    });
});
