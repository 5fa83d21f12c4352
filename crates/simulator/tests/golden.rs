//! Golden files and ruined devices: what tests rely on.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::panic::catch_unwind;

use simulator::{Damage, Profile, Ruin, TemporaryNode, golden};

#[test]
fn a_golden_file_is_compared_or_written_anew() {
    let is_update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.txt");
    fs::write(&path, "old").unwrap();
    golden(&path, if is_update { "new" } else { "old" });
    assert_eq!(catch_unwind(|| golden(&path, "newer")).is_ok(), is_update);
    assert_eq!(fs::read_to_string(&path).unwrap(), if is_update { "newer" } else { "old" });
    let missing = folder.path().join("folder/text.txt");
    assert_eq!(catch_unwind(|| golden(&missing, "new")).is_ok(), is_update);
}

fn node() -> TemporaryNode {
    TemporaryNode::new(&Profile::parse("test", "use sgx as=sgx").unwrap()).unwrap()
}

#[test]
fn every_number_ruins_a_thing_of_the_device_and_nodes_come_first() {
    let ruin = |which, how| Ruin { which, how, content: b"c 1:3".to_vec() };
    assert_eq!(Damage::ALL[0], Damage::Missing);
    for (which, gone) in [(0, "/dev/sgx_enclave"), (1, "/dev/sgx_provision")] {
        let mut node = node();
        let before = node.host().names("/dev").unwrap().len();
        // What is gone already stays so, and the largest number means something too.
        node.ruin("sgx", &[ruin(which, 0), ruin(which, 0), ruin(usize::MAX, 1)]).unwrap();
        assert!(!node.host().exists(gone), "{gone}");
        assert_eq!(node.host().names("/dev").unwrap().len(), before - 1);
    }
    let mut node = node();
    node.ruin("sgx", &[ruin(0, usize::MAX)]).unwrap();
    let number = node.host().device_number("/dev/sgx_enclave").unwrap();
    assert_eq!((number.major, number.minor), (1, 3));
    let error = node.ruin("gpu", &[ruin(0, 0)]).unwrap_err();
    assert!(error.to_string().contains("sgx"), "{error}");
}
