//! The operator's custom resources.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::{deployments, kustomize, text};

/// What the operator makes of objects: the golden files of its families, by their paths.
pub(crate) fn daemon_sets() -> Vec<(String, Value)> {
    let devices = Path::new(env!("CARGO_MANIFEST_DIR")).join("../devices");
    let goldens =
        devices.read_dir().unwrap().map(|family| family.unwrap().path().join("operator/tests/golden"));
    let files =
        goldens.filter_map(|folder| folder.read_dir().ok()).flatten().map(|file| file.unwrap().path());
    let sets: Vec<(String, Value)> =
        files.map(|file| (file.display().to_string(), kustomize::yaml(&file))).collect();
    assert!(!sets.is_empty());
    sets
}

#[test]
fn each_kind_is_defined_and_has_a_sample() {
    let folder = deployments().join("operator");
    let definitions = kustomize::render(&folder.join("crd"));
    let files = folder.join("crd/bases").read_dir().unwrap().count();
    let of_plugins = |definition: &&Value| definition["spec"]["group"] == "deviceplugin.intel.com";
    let defined: BTreeSet<&str> =
        definitions.iter().filter(of_plugins).map(|one| text(&one["spec"]["names"]["kind"])).collect();
    assert_eq!(defined.len(), files, "{defined:?}");
    assert_eq!(definitions.len(), files + 2, "those of FPGA's functions and regions are there too");

    let samples = kustomize::render(&folder.join("samples"));
    let shown: BTreeSet<&str> = samples.iter().map(|sample| text(&sample["kind"])).collect();
    assert_eq!(shown, defined);
}
