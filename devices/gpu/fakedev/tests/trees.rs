//! The trees that JSON files stand for. Each golden file was compared with what the Go implementation's generator makes.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use gpu_fakedev::{FolderError, Spec, load, make, text};
use gpu_labels::Settings;
use proptest::prelude::*;
use simulator::{Profile, TemporaryNode, golden, listing};

const SPECS: [&str; 4] = ["dg1-x8", "max-x8", "max-x2", "virtual-functions"];

fn path(name: &str) -> PathBuf {
    Path::new("tests/specs").join(format!("{name}.json"))
}

fn spec(name: &str) -> Spec {
    Spec::load(&path(name)).unwrap().0
}

/// What is in the listing, without what every simulated node has.
fn tree(listing: &str) -> String {
    let common = Profile::parse("empty", "").unwrap();
    let common = simulator::listing(TemporaryNode::new(&common).unwrap().root()).unwrap();
    let is_own = |line: &&str| !common.lines().any(|other| other == *line);
    listing.lines().filter(is_own).map(|line| line.to_owned() + "\n").collect()
}

#[test]
fn a_simulated_node_has_the_tree_of_the_golden_file() {
    for name in SPECS {
        let node = TemporaryNode::new(&load(&path(name)).unwrap()).unwrap();
        golden(format!("tests/golden/{name}.txt"), &tree(&listing(node.root()).unwrap()));
    }
}

#[test]
fn nodes_are_labelled_as_if_the_gpus_were_there() {
    let settings = Settings { memory_override: 0, memory_reserved: 0, pci_grouping_level: 0 };
    for name in SPECS {
        let node = TemporaryNode::new(&load(&path(name)).unwrap()).unwrap();
        let mut warnings = Vec::new();
        let warn = &mut |warning| warnings.push(warning);
        let labels = gpu_labels::node_labels(&node.host(), "/sys", &settings, warn).unwrap();
        assert_eq!(warnings, [""; 0], "{name}");
        golden(format!("tests/golden/labels/{name}.txt"), &labels.text());
    }
}

/// Where this process may make device nodes; elsewhere that it says so.
#[test]
fn a_folder_has_the_same_tree_whatever_was_made_there_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut makes_nodes = true;
    for name in SPECS {
        match make(folder.path(), &spec(name)) {
            Ok(_) => {
                // Where stand-ins are not known as such, they are files.
                let expected = fs::read_to_string(format!("tests/golden/{name}.txt")).unwrap();
                let expected = expected.lines().map(|line| match line.strip_suffix(" c 1:3") {
                    Some(line) => line.replace("file ", "char ") + " 1:3\n",
                    None => line.to_owned() + "\n",
                });
                assert_eq!(listing(folder.path()).unwrap(), expected.collect::<String>(), "{name}");
            }
            Err(FolderError::Permission(path)) => {
                assert_eq!(path, folder.path().join("dev/dri/card0"));
                makes_nodes = false;
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
    assert!(makes_nodes || !folder.path().join("sys").exists());
}

/// The machine's own folders are not to be removed by a run in the wrong place.
#[test]
fn what_this_program_did_not_make_is_left_as_it_is() {
    let cases: [(&str, &str, &str); 9] = [
        ("dev/null", "", "it holds null"),
        ("dev/dri/card0", "", "dev/dri/card0 is no null device"),
        ("dev/dri/by-path/card0", "", "dev/dri/by-path is no null device"),
        ("dev", "", "it is no folder"),
        ("sys/devices/a", "", "it holds devices"),
        ("sys/class/a", "sys/block/a", "it holds block"),
        ("sys", "", "it is no folder"),
        // What is good is kept, too, as long as something is not.
        ("sys/class/a", "dev/shm/a", "it holds shm"),
        ("dev/dri/.keep", "sys/class/a", "dev/dri/.keep is no null device"),
    ];
    for (one, other, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        for file in [one, other].iter().filter(|file| !file.is_empty()) {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "precious").unwrap();
        }
        let before = listing(folder.path()).unwrap();
        let error = make(folder.path(), &spec("dg1-x8")).unwrap_err();
        assert!(matches!(error, FolderError::Foreign { .. }), "{one}: {error}");
        assert!(error.to_string().contains(expected), "{one}: {error}");
        assert_eq!(listing(folder.path()).unwrap(), before, "{one}");
    }
}

#[test]
fn links_are_not_followed_to_what_they_lead_to() {
    for name in ["dev", "sys"] {
        let folder = tempfile::tempdir().unwrap();
        let precious = tempfile::tempdir().unwrap();
        fs::create_dir(precious.path().join("class")).unwrap();
        symlink(precious.path(), folder.path().join(name)).unwrap();
        let error = make(folder.path(), &spec("dg1-x8")).unwrap_err();
        assert!(matches!(error, FolderError::Foreign { .. }), "{name}: {error}");
        assert!(precious.path().join("class").exists());
    }
}

#[test]
fn devices_are_spread_over_numa_nodes_in_order() {
    for (per_node, expected) in
        [("", "0000000"), (",\"DevsPerNode\": 3", "0001112"), (",\"DevsPerNode\": 7", "0000000")]
    {
        let spec = Spec::parse(&format!("{{\"DevCount\": 7{per_node}}}")).unwrap();
        let node = TemporaryNode::new(&Profile::parse("test", &text(&spec)).unwrap()).unwrap();
        let read = |card| node.host().read(format!("/sys/class/drm/card{card}/device/numa_node")).unwrap();
        assert_eq!((0..7).map(read).collect::<String>(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Capabilities may hold anything, and are one file and no line of a profile.
    #[test]
    fn any_text_is_in_the_tree_as_it_was_written(info in ".*", key in "(?s).*", value in "(?s).*") {
        let mut spec = Spec::parse("{\"DevCount\": 1}").unwrap();
        spec.info = info;
        spec.capabilities.insert(key.clone(), value.clone());
        spec.capabilities.insert("connections".to_owned(), value.clone());
        let node = TemporaryNode::new(&Profile::parse("test", &text(&spec)).unwrap()).unwrap();
        let found = fs::read(node.root().join("sys/kernel/debug/dri/0/i915_capabilities")).unwrap();
        let line = format!("connections: {value}\n");
        let others = if key == "connections" { String::new() } else { format!("{key}: {value}\n") };
        prop_assert!(found == (line.clone() + &others).as_bytes() || found == (others + &line).as_bytes());
        prop_assert_eq!(fs::read(node.root().join(".xelinks")).unwrap(), value.as_bytes());
    }
}
