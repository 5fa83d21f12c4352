//! What several targets share.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use device_plugin::policy::Choice;
use fpga_bitstream::Bitstream;
use host::Host;
use rustix::fs::{MemfdFlags, memfd_create};
use simulator::{Profile, SimulatedNode};

#[path = "../../crates/webhook/tests/apply/mod.rs"]
mod apply_patch;

thread_local! {
    static FILE: RefCell<File> = RefCell::new(File::from(memfd_create("input", MemfdFlags::CLOEXEC).unwrap()));
}

/// Reads all that there is in a bitstream file of that name and content.
pub fn read(name: &str, content: &[u8]) {
    FILE.with_borrow(|file| {
        file.set_len(0).unwrap();
        file.write_all_at(content, 0).unwrap();
        let bitstream = match Bitstream::read(file.try_clone().unwrap(), name.into()) {
            Ok(bitstream) => bitstream,
            Err(error) => {
                assert!(error.to_string().len() < 1000, "a long error: {error}");
                return;
            }
        };
        let _ = (bitstream.extra(), bitstream.name());
        let payload = bitstream.payload().expect("a file that was checked");
        assert_eq!(payload.len() as u64, bitstream.payload_size());
        assert_eq!(bitstream.interface_id().to_string().len(), 32);
        assert_eq!(bitstream.afu_id().to_string().len(), 32);
    });
}

/// The document after a JSON patch.
pub fn apply(document: serde_json::Value, patch: &webhook::Patch) -> serde_json::Value {
    apply_patch::apply(document, &serde_json::json!(patch))
}

/// Checks an answer to the kubelet's question which devices to hand out: as many as are asked for (all that there are, if fewer
/// are free), none twice, those that must be included first.
pub fn check_choice(choice: &Choice<'_>, chosen: &[String]) {
    let mut there: Vec<&str> = choice.available.iter().chain(&choice.must_include).copied().collect();
    there.sort_unstable();
    there.dedup();
    assert_eq!(chosen.len(), choice.size.min(there.len()), "{choice:?}: {chosen:?}");
    assert!(chosen.iter().all(|id| there.contains(&id.as_str())), "{choice:?}: {chosen:?}");
    let mut different = chosen.to_vec();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), chosen.len(), "{choice:?}: {chosen:?}");
    let must = choice.must_include.iter().filter(|id| chosen.iter().any(|chosen| chosen == *id)).count();
    let mut musts = choice.must_include.clone();
    musts.sort_unstable();
    musts.dedup();
    assert!(choice.size < musts.len() || must == choice.must_include.len(), "{choice:?}: {chosen:?}");
}

/// An empty folder of this target, in memory where that is possible. It is used again, for fuzzers do not clean up at their end.
pub fn folder(target: &str) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let above = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = above.join(format!("fuzz-{target}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).expect("a folder");
    folder
}

/// A folder of a target's, and the node that it stands for.
pub struct Place {
    pub folder: PathBuf,
    pub host: Host,
}

impl Place {
    pub fn new(target: &str) -> Self {
        let folder = folder(target);
        Self { host: Host::at(&folder).expect("a folder"), folder }
    }

    pub fn make(&self, folder: &str) {
        std::fs::create_dir_all(self.folder.join(folder)).expect("a folder");
    }

    /// In a folder that is there.
    pub fn write(&self, path: &str, text: &str) {
        std::fs::write(self.folder.join(path), text).expect("a file");
    }
}

/// A simulated node with one device of each kind, below this folder.
pub fn node(folder: &Path) -> SimulatedNode {
    let profile = Profile::parse("node.txt", include_str!("node.txt")).expect("a profile");
    SimulatedNode::create_with_stand_ins(folder.join("node"), &profile).expect("a node")
}
