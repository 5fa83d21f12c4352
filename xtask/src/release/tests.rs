//! What a release is refused for, and what is in it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::manifests::released;
use super::{Options, checks};
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
        ("image: busybox:devel", "image: busybox:devel"),
        ("https://example.com/contributors/devel", "https://example.com/contributors/devel"),
    ] {
        assert_eq!(released(line, "example.com/x", "1.2.3"), expected);
    }
    assert_eq!(released("intel/intel-x:devel", "docker.io/intel", "1.2.3"), "intel/intel-x:1.2.3");
}

#[test]
fn no_manifest_of_this_repository_keeps_an_image_of_developers() {
    for path in crate::version::tracked(&["deployments/**.yaml", "demo/**.yaml"]).unwrap() {
        let text = fs::read_to_string(crate::root().join(&path)).unwrap();
        let text = released(&text, "docker.io/intel", VERSION);
        assert!(!text.contains(":devel") && !text.contains("newTag: devel"), "{}", path.display());
    }
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
