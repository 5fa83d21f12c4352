//! What a release is refused for, and what is in it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::charts::without_times;
use super::manifests::released;
use super::{Options, bundle_of, checks, manifests, push, same, sums};
use crate::images::archive::compress;
use crate::images::{IMAGES, Made};
use crate::version::VERSION;

/// A repository with one commit.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "one\n").unwrap();
    git(folder.path(), &["init", "--quiet"]);
    commit(folder.path());
    folder
}

fn commit(folder: &Path) {
    git(folder, &["add", "."]);
    let who = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"];
    git(folder, &[&who[..], &["commit", "--quiet", "--message=x"]].concat());
}

fn git(folder: &Path, args: &[&str]) {
    let status = Command::new("git").arg("-C").arg(folder).args(args).status().unwrap();
    assert!(status.success(), "{args:?}");
}

#[test]
fn only_a_clean_tree_is_released() {
    let folder = repository();
    assert_eq!(checks::clean(folder.path()), Ok(()));
    fs::write(folder.path().join("new"), "").unwrap();
    let error = checks::clean(folder.path()).unwrap_err();
    assert!(error.contains("?? new"), "{error}");
    commit(folder.path());
    fs::write(folder.path().join("file"), "two\n").unwrap();
    let error = checks::clean(folder.path()).unwrap_err();
    assert!(error.contains(" M file") && !error.contains("new"), "{error}");
}

#[test]
fn a_version_is_released_once_and_may_be_made_again_of_its_commit() {
    let folder = repository();
    assert_eq!(checks::tag(folder.path(), "1.2.3"), Ok(()));
    git(folder.path(), &["tag", "v1.2.3"]);
    assert_eq!(checks::tag(folder.path(), "1.2.3"), Ok(()), "the tag is of this commit");
    fs::write(folder.path().join("file"), "two\n").unwrap();
    commit(folder.path());
    let error = checks::tag(folder.path(), "1.2.3").unwrap_err();
    assert!(error.contains("1.2.3 is released already"), "{error}");
    assert_eq!(checks::tag(folder.path(), "1.2.4"), Ok(()));
}

#[test]
fn a_folder_without_a_repository_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = checks::clean(folder.path()).unwrap_err();
    assert!(error.contains("git status") && error.contains("not a git repository"), "{error}");
}

#[test]
fn notes_are_the_versions_part_of_the_changelog() {
    let changelog = "# Changelog\n\n## Unreleased\n\n- later\n\n## 1.2.30 (2026-01-03)\n\n- other\n\n## 1.2.3 (2026-01-02)\n\n- one\n  goes on\n\n\
                     ### More\n\n- two\n\n## 1.2.2 (2025-01-01)\n\n";
    assert_eq!(checks::notes(changelog, "1.2.3").unwrap(), "- one\n  goes on\n\n### More\n\n- two\n");
    assert_eq!(checks::notes(changelog, "1.2.30").unwrap(), "- other\n");
    for (version, why) in [("1.2.4", "has no heading `## 1.2.4 (DATE)`"), ("1.2.2", "says nothing of 1.2.2")]
    {
        let error = checks::notes(changelog, version).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn manifests_of_a_release_name_its_images() {
    for (line, expected) in [
        ("image: intel/intel-gpu-plugin:devel\n", "image: example.com/x/intel-gpu-plugin:1.2.3\n"),
        (
            "  - image: \"intel/intel-gpu-plugin:devel\" # here",
            "  - image: \"example.com/x/intel-gpu-plugin:1.2.3\" # here",
        ),
        ("image: intel/intel-gpu-plugin:1.2.3", "image: example.com/x/intel-gpu-plugin:1.2.3"),
        ("  value: intel/intel-gpu-plugin:devel", "  value: example.com/x/intel-gpu-plugin:1.2.3"),
        ("image: other/intel/intel-gpu-plugin:devel", "image: other/intel/intel-gpu-plugin:devel"),
        ("image: intel/intel-gpu-plugin:1.0.0", "image: intel/intel-gpu-plugin:1.0.0"),
        (
            "a=intel/intel-gpu-plugin:devel b=intel/intel-gpu-fakedev:devel, `intel/intel-qat-plugin:devel`",
            "a=example.com/x/intel-gpu-plugin:1.2.3 b=example.com/x/intel-gpu-fakedev:1.2.3, `example.com/x/intel-qat-plugin:1.2.3`",
        ),
        ("image: intel/intel-npu-demo:devel", "image: intel/intel-npu-demo:devel"),
        ("image: intel/intel-gpu-levelzero:devel", "image: intel/intel-gpu-levelzero:devel"),
        ("image: busybox:devel", "image: busybox:devel"),
        ("https://example.com/contributors/devel", "https://example.com/contributors/devel"),
    ] {
        assert_eq!(released(line, "example.com/x", "1.2.3"), expected);
    }
    let hub = released("intel/intel-npu-plugin:devel", "docker.io/intel", "1.2.3");
    assert_eq!(hub, "intel/intel-npu-plugin:1.2.3");
}

#[test]
fn no_manifest_of_this_repository_names_an_image_of_ours_that_developers_build() {
    for path in crate::version::tracked(&["deployments/**.yaml", "demo/**.yaml"]).unwrap() {
        let text = fs::read_to_string(crate::root().join(&path)).unwrap();
        let text = released(&text, "docker.io/intel", VERSION);
        for image in &IMAGES {
            assert!(!text.contains(&format!("{}:devel", image.name)), "{}: {}", path.display(), image.name);
        }
    }
}

#[test]
fn scripts_among_the_manifests_can_be_run_and_no_other_file() {
    let content = manifests::archive("docker.io/intel").unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(content.as_slice()));
    let mut found = BTreeMap::new();
    for entry in archive.entries().unwrap().map(Result::unwrap) {
        if entry.header().entry_type().is_file() {
            let path: PathBuf = entry.path().unwrap().iter().skip(1).collect();
            found.insert(path.display().to_string(), entry.header().mode().unwrap());
        }
    }
    let mut git = Command::new("git");
    let listed = crate::output_of(git.args(["ls-files", "--stage", "--", "deployments", "demo"])).unwrap();
    let expected = listed.lines().map(|line| {
        let (mode, path) = line.split_once(' ').zip(line.split_once('\t')).map(|(a, b)| (a.0, b.1)).unwrap();
        (path.to_owned(), if mode == "100755" { 0o755 } else { 0o644 })
    });
    assert_eq!(found, expected.collect());
    assert_eq!(found["demo/build-image.sh"], 0o755);
}

#[test]
fn the_bundle_of_a_release_names_its_images_by_digest() {
    let digest = format!("sha256:{}", "5".repeat(64));
    let made = |name| Made { name, digest: digest.clone(), bills: Vec::new(), bytes: 0 };
    let images: Vec<Made> = IMAGES.iter().map(|image| made(image.name)).collect();
    let content = bundle_of(&images, "r.com/x").unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(content.as_slice()));
    let mut texts = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        texts.insert(path, std::io::read_to_string(&mut entry).unwrap());
    }
    let file = |name: &str| &texts[&format!("intel-device-plugins-{VERSION}-bundle/{name}")];
    assert!(file("bundle.Dockerfile").starts_with("FROM scratch\n"));
    let version = file("manifests/intel-device-plugins-operator.clusterserviceversion.yaml");
    assert!(version.contains(&format!("r.com/x/intel-deviceplugin-operator@{digest}")));
    let by_digest = version.matches("r.com/x/").count();
    assert_eq!(by_digest, version.matches(&format!("@{digest}")).count(), "and none by version");
}

#[test]
fn a_release_takes_the_flags_of_images_with_one_tag() {
    let options =
        Options::parse(&["--dry-run", "--registry=example.com/x", "--helm", "/bin/helm", "--output", "o"])
            .unwrap();
    assert!(options.dry_run);
    assert_eq!(options.images.names("a"), [format!("example.com/x/a:{VERSION}")]);
    assert_eq!(options.helm(), Path::new("/bin/helm"));
    assert_eq!(options.output(), Path::new("o"));
    assert!(!options.twice && Options::parse(&["--twice"]).unwrap().twice);
    assert!(!Options::parse(&[]).unwrap().dry_run);
    for (args, why) in [
        (&["--tag", "x"][..], "a release has one tag"),
        (&["--tag=x"], "a release has one tag"),
        (&["--twice", "--binaries", "x"], "--twice builds"),
        (&["--helm"], "--helm needs a value"),
        (&["--dryrun", "x"], "there is no flag --dryrun"),
    ] {
        let error = Options::parse(args).unwrap_err();
        assert!(error.contains(why), "{args:?}: {error}");
    }
}

#[test]
fn packages_of_charts_do_not_tell_when_they_were_made() {
    let package = |time| {
        let mut archive = tar::Builder::new(Vec::new());
        for path in ["chart/values.yaml", "chart/Chart.yaml"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(3);
            header.set_mtime(time);
            archive.append_data(&mut header, path, &b"a: "[..]).unwrap();
        }
        without_times(&compress(&archive.into_inner().unwrap()).unwrap()).unwrap()
    };
    assert_eq!(package(1), package(2));
    let content = package(1);
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(content.as_slice()));
    let paths = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
    assert_eq!(paths.collect::<Vec<_>>(), ["chart/", "chart/Chart.yaml", "chart/values.yaml"]);
}

#[test]
fn binaries_that_differ_are_told_with_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second, none] = ["first", "second", "none"].map(|name| folder.path().join(name));
    fs::write(&first, "1").unwrap();
    fs::write(&second, "1").unwrap();
    assert_eq!(same(&first, &second), Ok(crate::hash::sha256(b"1")));
    fs::write(&second, "2").unwrap();
    let error = same(&first, &second).unwrap_err();
    assert!(error.contains(&format!("{} and {} differ", first.display(), second.display())), "{error}");
    assert!(same(&first, &none).unwrap_err().starts_with(&*none.to_string_lossy()));
}

#[test]
fn checksums_are_of_every_file_as_sha256sum_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("b"), "2").unwrap();
    fs::write(folder.path().join("a"), "1").unwrap();
    let found = sums(folder.path()).unwrap();
    assert_eq!(found.lines().map(|line| line.rsplit("  ").next().unwrap()).collect::<Vec<_>>(), ["a", "b"]);
    fs::write(folder.path().join("SHA256SUMS"), found).unwrap();
    let check =
        || Command::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).current_dir(&folder).output();
    assert!(check().unwrap().status.success());
    fs::write(folder.path().join("b"), "3").unwrap();
    assert!(!check().unwrap().status.success());
}

#[test]
fn each_bill_of_materials_is_of_the_manifest_for_its_processor_and_the_first_also_of_the_index() {
    let made = |name, digest: &str, bills: &[(&str, &str)]| {
        let bills = bills.iter().map(|(file, digest)| ((*file).to_owned(), (*digest).to_owned())).collect();
        Made { name, digest: digest.to_owned(), bills, bytes: 0 }
    };
    let images = [
        made("a", "sha256:a", &[("a.cdx.json", "sha256:a")]),
        made("b", "sha256:b", &[("b.cdx.json", "sha256:b1"), ("b-arm64.cdx.json", "sha256:b2")]),
    ];
    let options = Options::parse(&["--registry=r.com/x"]).unwrap();
    let expected = [
        format!("images/a.cdx.json r.com/x/a:{VERSION}@sha256:a\n"),
        format!("images/b.cdx.json r.com/x/b:{VERSION}@sha256:b\n"),
        format!("images/b.cdx.json r.com/x/b:{VERSION}@sha256:b1\n"),
        format!("images/b-arm64.cdx.json r.com/x/b:{VERSION}@sha256:b2\n"),
    ];
    assert_eq!(push::bills(&images, &options), expected.concat());
}

#[test]
fn every_image_and_chart_is_pushed_and_what_the_registry_calls_charts_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let program = |name: &str, script: &str| {
        fs::write(place(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(place(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    program("skopeo", "echo skopeo \"$@\" >>said");
    program(
        "helm",
        "echo helm \"$@\" >>said\necho Pushed: r.com:5000/x/charts/c:1.2.3 >&2\necho Digest: sha256:c0 >&2",
    );
    fs::create_dir(place("files")).unwrap();
    fs::write(place("files/c-1.2.3.tgz"), "").unwrap();
    fs::write(place("images.txt"), "r.com:5000/x/a:1.2.3@sha256:a0\nr.com:5000/x/b:1.2.3@sha256:b0\n")
        .unwrap();
    let run = || {
        let mut bash = Command::new("bash");
        bash.arg(crate::root().join(push::SCRIPT))
            .arg(folder.path())
            .env("SKOPEO", place("skopeo"))
            .env("HELM", place("helm"))
            .env_remove("PLAIN_HTTP");
        bash.output().unwrap()
    };
    assert!(run().status.success());
    let copy = |name: &str| {
        let image = format!("r.com:5000/x/{name}:1.2.3");
        format!(
            "skopeo copy --all --preserve-digests oci-archive:images/{name}.tar:{image} docker://{image}\n"
        )
    };
    let expected = copy("a") + &copy("b") + "helm push files/c-1.2.3.tgz oci://r.com:5000/x/charts\n";
    assert_eq!(fs::read_to_string(place("said")).unwrap(), expected);
    assert_eq!(fs::read_to_string(place("charts.txt")).unwrap(), "r.com:5000/x/charts/c:1.2.3@sha256:c0\n");

    program("helm", "echo no such registry >&2; exit 1");
    let failed = run();
    assert!(!failed.status.success());
    assert!(String::from_utf8_lossy(&failed.stderr).contains("no such registry"));
}
