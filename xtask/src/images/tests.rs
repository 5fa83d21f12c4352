//! What is in an archive, as other programs find it there.

mod platforms;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use flate2::read::GzDecoder;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::component::Component;
use super::program::{Program, of_crates};
use super::table::{IMAGES, User};
use super::{Commit, Options, pack};
use crate::platform::Platform;
use crate::version::VERSION;
use crate::{crates, root};

/// What manifests name, and users build (the Level-Zero sidecar's) or take from Intel.
const FROM_ELSEWHERE: [&str; 2] = ["intel-extension-for-pytorch", "intel-gpu-levelzero"];

fn program(package: &'static str) -> Program {
    program_for(package, Platform::Amd64)
}

fn program_for(package: &'static str, platform: Platform) -> Program {
    let texts = BTreeMap::from([("LICENSE-MIT".to_owned(), b"as you like".to_vec())]);
    let component = Component {
        name: "one".to_owned(),
        version: "1.2.3".to_owned(),
        licence: "MIT".to_owned(),
        url: "pkg:cargo/one@1.2.3".to_owned(),
        checksum: None,
        texts,
    };
    Program {
        package,
        platform,
        // Says by which name it is run.
        binary: b"#!/bin/sh\necho \"$0\"\n".to_vec(),
        licence: b"Apache".to_vec(),
        components: vec![component],
        bill: b"{}".to_vec(),
    }
}

/// Makes the images of a program in a folder; returns their digests by name.
fn make(package: &'static str, folder: &Path) -> BTreeMap<&'static str, String> {
    let commit = Commit { revision: "c0ffee".to_owned(), created: "2026-01-02T03:04:05Z".to_owned() };
    let options = Options::parse(&["--tag=1", "--tag=2"]).unwrap();
    let made = pack(vec![program(package)], &commit, &options, folder).unwrap();
    made.into_iter().map(|made| (made.name, made.digest)).collect()
}

fn both(folder: &Path) -> BTreeMap<&'static str, String> {
    let mut digests = make("intel-device-plugins", folder);
    digests.extend(make("intel-device-plugins-operator", folder));
    digests
}

/// The files of an archive by their path, and what each header says of time, owner and permissions.
fn unpack(archive: &[u8]) -> BTreeMap<String, (Vec<u8>, [u64; 4])> {
    let mut archive = tar::Archive::new(archive);
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header();
        let facts = [
            header.mtime().unwrap(),
            header.uid().unwrap(),
            header.gid().unwrap(),
            u64::from(header.mode().unwrap()),
        ];
        let path = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        assert!(files.insert(path.clone(), (content, facts)).is_none(), "{path} is there twice");
    }
    files
}

fn decompress(layer: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    GzDecoder::new(layer).read_to_end(&mut archive).unwrap();
    archive
}

fn sha256(content: &[u8]) -> String {
    let hex: Vec<String> =
        digest(&SHA256, content).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", hex.concat())
}

/// An image as the layout of its archive has it.
struct Found {
    index: Value,
    manifest: Value,
    config: Value,
    layer: Vec<u8>,
}

/// Reads an archive as the specification says, and holds it against it.
fn read(path: &Path) -> Found {
    let files = unpack(&fs::read(path).unwrap());
    let parse = |path: &str| -> Value { serde_json::from_slice(&files[path].0).unwrap() };
    let mut seen = BTreeSet::new();
    let mut blob = |descriptor: &Value| -> Vec<u8> {
        let digest = descriptor["digest"].as_str().unwrap();
        let path = format!("blobs/{}", digest.replace(':', "/"));
        let content = files[&path].0.clone();
        assert_eq!(sha256(&content), digest);
        assert_eq!(descriptor["size"], content.len());
        seen.insert(path);
        content
    };
    assert_eq!(parse("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}));
    let index = parse("index.json");
    assert_eq!(index["schemaVersion"], 2);
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    let descriptor = &index["manifests"][0];
    assert_eq!(descriptor["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(descriptor["platform"], json!({"architecture": "amd64", "os": "linux"}));
    let manifest: Value = serde_json::from_slice(&blob(descriptor)).unwrap();
    assert_eq!(manifest["schemaVersion"], 2);
    assert_eq!(manifest["mediaType"], descriptor["mediaType"]);
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.image.config.v1+json");
    let config: Value = serde_json::from_slice(&blob(&manifest["config"])).unwrap();
    assert_eq!((&config["architecture"], &config["os"]), (&json!("amd64"), &json!("linux")));
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    let layer = blob(&manifest["layers"][0]);
    assert_eq!(config["rootfs"], json!({"type": "layers", "diff_ids": [sha256(&decompress(&layer))]}));

    let folders = ["blobs/", "blobs/sha256/"].map(str::to_owned);
    let others = ["oci-layout", "index.json", "manifest.json"].map(str::to_owned);
    let expected: BTreeSet<String> = seen.into_iter().chain(folders).chain(others).collect();
    assert_eq!(files.keys().cloned().collect::<BTreeSet<_>>(), expected, "nothing more, nothing less");
    Found { index, manifest, config, layer }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn the_same_programs_give_the_same_archives_wherever_and_whenever() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [first, second] = folders.each_ref().map(|folder| both(folder.path()));
    assert_eq!(first, second);
    assert_eq!(first.len(), IMAGES.len());
    for entry in fs::read_dir(folders[0].path()).unwrap() {
        let path = entry.unwrap().path();
        let same = folders[1].path().join(path.file_name().unwrap());
        assert!(fs::read(&path).unwrap() == fs::read(same).unwrap(), "{}", path.display());
    }
}

#[test]
fn nothing_in_an_archive_tells_when_or_by_whom_it_was_made() {
    let folder = tempfile::tempdir().unwrap();
    make("intel-device-plugins", folder.path());
    let path = folder.path().join("intel-gpu-plugin.tar");
    let layer = read(&path).layer;
    assert_eq!(layer[..4], [0x1f, 0x8b, 8, 0], "gzip, with no more in the header (RFC 1952)");
    assert_eq!(layer[4..8], [0; 4], "no time");
    for archive in [fs::read(&path).unwrap(), decompress(&layer)] {
        let files = unpack(&archive);
        for (path, (_, [time, user, group, _])) in &files {
            assert_eq!((time, user, group), (&0, &0, &0), "{path}");
        }
    }
}

#[test]
fn each_archive_is_a_layout_of_one_image_under_all_its_names() {
    let folder = tempfile::tempdir().unwrap();
    for (name, digest) in both(folder.path()) {
        let path = folder.path().join(format!("{name}.tar"));
        let found = read(&path);
        let manifests = found.index["manifests"].as_array().unwrap();
        let names = ["1", "2"].map(|tag| format!("docker.io/intel/{name}:{tag}"));
        assert_eq!(manifests.len(), names.len());
        for (descriptor, name) in manifests.iter().zip(&names) {
            assert_eq!(descriptor["digest"], *digest);
            let annotations = &descriptor["annotations"];
            assert_eq!(annotations["io.containerd.image.name"], **name);
            assert_eq!(annotations["org.opencontainers.image.ref.name"], **name);
        }
        // Docker's own format, for its older store.
        let files = unpack(&fs::read(&path).unwrap());
        let docker: Value = serde_json::from_slice(&files["manifest.json"].0).unwrap();
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap();
            format!("blobs/{}", digest.replace(':', "/"))
        };
        let expected = json!([{
            "Config": blob(&found.manifest["config"]),
            "RepoTags": names,
            "Layers": [blob(&found.manifest["layers"][0])],
        }]);
        assert_eq!(docker, expected, "{name}");
    }
}

#[test]
fn the_images_of_one_program_share_their_only_layer() {
    let folder = tempfile::tempdir().unwrap();
    let layers: BTreeSet<Vec<u8>> = make("intel-device-plugins", folder.path())
        .into_keys()
        .map(|name| read(&folder.path().join(format!("{name}.tar"))).layer)
        .collect();
    assert_eq!(layers.len(), 1);
}

#[test]
fn a_container_runs_the_program_by_its_entry_points_name_where_the_image_says() {
    let folder = tempfile::tempdir().unwrap();
    both(folder.path());
    for image in &IMAGES {
        let found = read(&folder.path().join(format!("{}.tar", image.name)));
        let run = &found.config["config"];
        let user = if image.user == User::Nobody { json!("65532:65532") } else { Value::Null };
        assert_eq!(run["User"], user, "{}", image.name);
        let root = folder.path().join(image.name);
        tar::Archive::new(decompress(&found.layer).as_slice()).unpack(&root).unwrap();
        let place = |path: &Value| root.join(path.as_str().unwrap().trim_start_matches('/'));
        let program = place(&run["Entrypoint"][0]);
        let output = Command::new(&program).current_dir(place(&run["WorkingDir"])).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap().trim(),
            program.to_str().unwrap(),
            "{}",
            image.name
        );
        assert!(program.ends_with(image.entry_point));
    }
}

#[test]
fn every_name_of_a_program_runs_it_by_that_name() {
    for (image, package) in [
        ("intel-gpu-plugin", "intel-device-plugins"),
        ("intel-sgx-admissionwebhook", "intel-device-plugins-operator"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        make(package, folder.path());
        let archive = decompress(&read(&folder.path().join(format!("{image}.tar"))).layer);
        tar::Archive::new(archive.as_slice()).unpack(folder.path()).unwrap();
        let names = unpack(&archive).into_keys();
        let names: Vec<String> =
            names.filter(|path| path.starts_with("usr/local/bin/") && !path.ends_with('/')).collect();
        for name in &names {
            let output = Command::new(folder.path().join(name)).output().unwrap();
            assert!(String::from_utf8(output.stdout).unwrap().trim().ends_with(name), "{name}");
        }
        assert!(names.len() > 3, "{names:?}");
    }
}

#[test]
fn an_image_holds_its_program_licences_and_nothing_else_that_can_be_run() {
    let folder = tempfile::tempdir().unwrap();
    make("intel-device-plugins-operator", folder.path());
    let found = read(&folder.path().join("intel-deviceplugin-operator.tar"));
    let files = unpack(&decompress(&found.layer));
    let paths: Vec<&str> = files.keys().map(String::as_str).collect();
    let expected = [
        "licenses/",
        "licenses/LICENSE",
        "licenses/one-1.2.3/",
        "licenses/one-1.2.3/LICENSE-MIT",
        "licenses/sbom.cdx.json",
        "tmp/",
        "usr/",
        "usr/local/",
        "usr/local/bin/",
        "usr/local/bin/intel-device-plugins-operator",
        "usr/local/bin/intel_deviceplugin_operator",
        "usr/local/bin/intel_fpga_admissionwebhook",
        "usr/local/bin/intel_sgx_admissionwebhook",
    ];
    assert_eq!(paths, expected);
    assert_eq!(files["usr/local/bin/intel-device-plugins-operator"].1[3], 0o755);
    assert_eq!(files["licenses/LICENSE"].1[3], 0o644);
    assert_eq!(files["tmp/"].1[3], 0o1777);
    assert_eq!(fs::read(folder.path().join("intel-deviceplugin-operator.cdx.json")).unwrap(), b"{}");
}

#[test]
fn labels_say_what_an_image_is_and_of_which_source() {
    let folder = tempfile::tempdir().unwrap();
    make("intel-device-plugins", folder.path());
    let config = read(&folder.path().join("intel-qat-plugin.tar")).config;
    assert_eq!(config["created"], "2026-01-02T03:04:05Z");
    let labels = &config["config"]["Labels"];
    assert_eq!(labels["org.opencontainers.image.title"], "intel-qat-plugin");
    assert_eq!(labels["org.opencontainers.image.revision"], "c0ffee");
    assert_eq!(labels["org.opencontainers.image.version"], VERSION);
    assert_eq!(labels["summary"], "Device plugin for Intel QAT");
    assert_eq!(labels["org.opencontainers.image.source"], Value::Null, "no flag says where");
}

/// All YAML files below a folder.
fn yaml(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(yaml(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push((name_of(&path), fs::read_to_string(&path).unwrap()));
        }
    }
    files
}

/// What a user can apply.
fn manifests() -> Vec<(String, String)> {
    ["deployments", "demo"].iter().flat_map(|folder| yaml(&root().join(folder))).collect()
}

/// Whether users make this image, or have it from a vendor.
fn is_from_elsewhere(image: &str) -> bool {
    let name = image.split(['/', ':']).nth(1).unwrap_or_default();
    FROM_ELSEWHERE.contains(&name) || root().join("demo").join(name).join("Dockerfile").exists()
}

#[test]
fn each_image_that_manifests_name_is_made_under_that_name() {
    let names: BTreeSet<String> = {
        let options = Options::parse(&[]).unwrap();
        IMAGES.iter().flat_map(|image| options.names(image.name)).collect()
    };
    let mut found = 0;
    for (file, text) in manifests() {
        let lines = text.lines().map(|line| line.trim_start().trim_start_matches("- "));
        let values = lines.filter_map(|line| line.split_once(": ")).map(|(_, value)| value.trim_matches('"'));
        for image in values.filter(|value| value.starts_with("intel/intel-") && !is_from_elsewhere(value)) {
            assert!(names.contains(&format!("docker.io/{image}")), "{file}: {image}");
            found += 1;
        }
    }
    assert!(found > 30, "{found} is too few to believe");
}

#[test]
fn each_program_that_manifests_run_is_in_an_image() {
    let files =
        ["intel-device-plugins", "intel-device-plugins-operator"].map(|package| program(package).files());
    let mut found = 0;
    for (file, text) in manifests() {
        let words = text.split(|c: char| c.is_whitespace() || "\"[],".contains(c));
        for path in words.filter(|word| word.starts_with("/usr/local/bin/")) {
            assert!(files.iter().any(|files| files.contains_key(&path[1..])), "{file}: {path}");
            found += 1;
        }
    }
    assert!(found > 2, "{found} is too few to believe");
}

#[test]
fn each_entry_point_is_a_name_that_the_program_knows() {
    for image in &IMAGES {
        let folder = if image.package == "intel-device-plugins" { "node/src" } else { "operator/src" };
        let is_named = |entry: fs::DirEntry| {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            text.contains(&format!("\"{}\"", image.entry_point))
        };
        let mut files = fs::read_dir(root().join(folder)).unwrap();
        let is_the_program = image.entry_point == image.package;
        assert!(is_the_program || files.any(|file| is_named(file.unwrap())), "{}", image.entry_point);
    }
}

#[test]
fn every_crate_that_is_shipped_has_the_text_of_its_licence() {
    for package in ["intel-device-plugins", "intel-device-plugins-operator"] {
        let found = crates::of_others(package, Platform::Amd64).unwrap();
        let components = of_crates(&found, b"apache").unwrap();
        assert!(components.iter().all(|component| !component.texts.is_empty()));
        let names: Vec<&str> = components.iter().map(|component| component.name.as_str()).collect();
        assert!(names.contains(&"tokio") && names.is_sorted(), "{names:?}");
        assert!(!names.contains(&"cli"), "a crate of ours");
        assert_eq!(names.contains(&"kube"), package.ends_with("-operator"), "{names:?}");
        assert!(found.iter().all(|found| found.checksum.len() == 64));
    }
}
