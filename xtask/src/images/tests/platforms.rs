//! Images for several processors.

use std::fs;

use serde_json::{Value, json};

use super::{decompress, program, program_for, sha256, unpack};
use crate::images::program::Program;
use crate::images::{Commit, Options, pack};
use crate::platform::Platform;

#[test]
fn an_image_for_two_processors_is_an_index_of_both() {
    let folder = tempfile::tempdir().unwrap();
    let commit = Commit { revision: "c0ffee".to_owned(), created: "2026-01-02T03:04:05Z".to_owned() };
    let options = Options::parse(&["--tag=1", "--tag=2"]).unwrap();
    let programs = [Platform::Arm64, Platform::Amd64].map(|platform| Program {
        binary: platform.name().into(),
        bill: platform.target().into(),
        ..program_for("intel-device-plugins-operator", platform)
    });
    for made in pack(programs.into(), &commit, &options, folder.path()).unwrap() {
        let files = unpack(&fs::read(folder.path().join(format!("{}.tar", made.name))).unwrap());
        let content = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap();
            let (content, _) = &files[&format!("blobs/{}", digest.replace(':', "/"))];
            assert_eq!((sha256(content).as_str(), &json!(content.len())), (digest, &descriptor["size"]));
            content.clone()
        };
        let parse = |descriptor: &Value| -> Value { serde_json::from_slice(&content(descriptor)).unwrap() };
        let top: Value = serde_json::from_slice(&files["index.json"].0).unwrap();
        assert_eq!(top["manifests"].as_array().unwrap().len(), 2, "two tags");
        let descriptor = &top["manifests"][0];
        assert_eq!(descriptor["mediaType"], "application/vnd.oci.image.index.v1+json");
        assert_eq!(descriptor["digest"], made.digest);
        let index = parse(descriptor);
        assert_eq!(index["mediaType"], descriptor["mediaType"]);
        assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
        for ((manifest, platform), (file, digest)) in
            index["manifests"].as_array().unwrap().iter().zip(Platform::ALL).zip(&made.bills)
        {
            let bill = fs::read_to_string(folder.path().join(file)).unwrap();
            assert_eq!((&manifest["digest"], bill.as_str()), (&json!(digest), platform.target()));
            assert_eq!(manifest["platform"], json!({"architecture": platform.name(), "os": "linux"}));
            let manifest = parse(manifest);
            assert_eq!(parse(&manifest["config"])["architecture"], platform.name());
            let layer = unpack(&decompress(&content(&manifest["layers"][0])));
            let (binary, _) = &layer["usr/local/bin/intel-device-plugins-operator"];
            assert_eq!(binary, platform.name().as_bytes());
        }
        let blobs = files.keys().filter(|path| path.starts_with("blobs/sha256/") && !path.ends_with('/'));
        assert_eq!(blobs.count(), 1 + 2 * 3, "an index; manifest, configuration and layer of each");
        let docker: Value = serde_json::from_slice(&files["manifest.json"].0).unwrap();
        let amd64 = parse(&index["manifests"][0]);
        let digest = amd64["config"]["digest"].as_str().unwrap().replace(':', "/");
        assert_eq!(docker[0]["Config"], format!("blobs/{digest}"));
        for (suffix, platform) in ["", "-arm64"].into_iter().zip(Platform::ALL) {
            let bill = fs::read_to_string(folder.path().join(format!("{}{suffix}.cdx.json", made.name)));
            assert_eq!(bill.unwrap(), platform.target());
        }
    }
}

#[test]
fn two_binaries_for_one_processor_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let commit = Commit { revision: String::new(), created: String::new() };
    let programs = [(); 2].map(|()| program("intel-device-plugins"));
    let options = Options::parse(&[]).unwrap();
    let error = pack(programs.into(), &commit, &options, folder.path()).err().unwrap();
    assert!(error.contains("twice"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
