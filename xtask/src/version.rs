//! `cargo xtask version`: the version of binaries, images, charts and manifests is the workspace's, in `Cargo.toml`. It is repeated
//! where whoever reads a file takes no variable: in charts, samples and examples, and in what cargo locks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use semver::Version;

use crate::{output_of, root};

/// Before the version in values of charts: `image.tag=`, `initImage.tag=`.
const TAG: &str = "tag=";

/// The version of this checkout.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Prints the version, or sets it.
pub(crate) fn run(new: Option<&str>) -> Result<(), String> {
    let Some(new) = new else {
        println!("{VERSION}");
        return Ok(());
    };
    let parsed = Version::parse(new).map_err(|error| format!("{new:?} is no version: {error}"))?;
    if !parsed.build.is_empty() {
        return Err(format!("{new:?} is no version that images can have: tags take no `+`"));
    }
    let mut changed = 0;
    for path in tracked(&[])? {
        let Ok(text) = fs::read_to_string(root().join(&path)) else {
            continue; // A link or no text.
        };
        let after = set(&path, &text, VERSION, new);
        if after != text {
            fs::write(root().join(&path), after).map_err(|error| format!("{}: {error}", path.display()))?;
            changed += 1;
        }
    }
    println!(
        "{VERSION} is {new} now, in {changed} files; `cargo xtask invariants` and the tests hold them against it"
    );
    Ok(())
}

/// What disagrees with the version: each offending line with its file. Examples in tests are held by these.
pub(crate) fn check() -> Result<Vec<String>, String> {
    let mut offences = Vec::new();
    for path in tracked(&["*.yaml", "*.md"])? {
        if path == Path::new("CHANGELOG.md") || path.iter().any(|part| part == "tests") {
            continue;
        }
        let text = fs::read_to_string(root().join(&path));
        let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
        let found = others(&path, &text, VERSION).into_iter();
        offences.extend(found.map(|(line, what)| format!("{}:{line}: {what}", path.display())));
    }
    Ok(offences)
}

/// Files that git knows, from the root.
pub(crate) fn tracked(patterns: &[&str]) -> Result<Vec<PathBuf>, String> {
    let files = output_of(Command::new("git").args(["ls-files", "-z", "--"]).args(patterns))?;
    Ok(files.split_terminator('\0').map(PathBuf::from).collect())
}

/// The file's text with the new version wherever it had the old one.
fn set(path: &Path, text: &str, old: &str, new: &str) -> String {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let line = |version: &str| format!("\nversion = \"{version}\"");
    match (name, extension) {
        ("CHANGELOG.md", _) => text.to_owned(),
        ("Cargo.toml", _) if path.parent() == Some(Path::new("")) => text.replacen(&line(old), &line(new), 1),
        ("Cargo.lock", _) => {
            let blocks = text.split("\n\n").map(|block| {
                if block.contains("\nsource = ") {
                    block.to_owned()
                } else {
                    block.replace(&line(old), &line(new))
                }
            });
            blocks.collect::<Vec<_>>().join("\n\n")
        }
        // In sentences, a number may be the Go implementation's.
        (_, "md") => replace_word(text, old, new, |before| before.ends_with(':') || before.ends_with(TAG)),
        // With a `v` it is the Go implementation's.
        (_, "json" | "rs" | "yaml") => replace_word(text, old, new, |before| {
            !before.ends_with(|c: char| c.is_ascii_digit() || ".v".contains(c))
        }),
        _ => text.to_owned(),
    }
}

/// Replaces the word where it can begin after what is before it, and is no part of a longer number.
fn replace_word(text: &str, old: &str, new: &str, begins: impl Fn(&str) -> bool) -> String {
    let mut after = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(old) {
        let mut next = behind.chars();
        let ends = match next.next() {
            Some('.') => !next.next().is_some_and(|c| c.is_ascii_digit()),
            Some(c) => !c.is_ascii_digit(),
            None => true,
        };
        after.push_str(before);
        after.push_str(if begins(before) && ends { new } else { old });
        rest = behind;
    }
    after + rest
}

/// Lines with another version: of a chart, or of one of our images.
fn others(path: &Path, text: &str, version: &str) -> Vec<(usize, String)> {
    let is_chart = path.file_name().is_some_and(|name| name == "Chart.yaml");
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let (key, value) = line.trim().split_once(": ").unwrap_or_default();
        if is_chart && ["version", "appVersion"].contains(&key) && value.trim_matches('"') != version {
            found.push((number, format!("chart of version {value}, not {version} (cargo xtask version)")));
        }
        for word in line.split(|c: char| c.is_whitespace() || "\"'`(),|".contains(c)) {
            if let Some((_, tag)) = word.split_once(TAG)
                && Version::parse(tag).is_ok_and(|_| tag != version)
            {
                found.push((number, format!("{word}, not {version} (cargo xtask version)")));
            }
            if let Some((image, tag)) = word.rsplit_once(':')
                && (image.contains("intel/") || image.starts_with("intel-"))
                && Version::parse(tag).is_ok_and(|_| tag != version)
            {
                found.push((number, format!("image {word}, not {version} (cargo xtask version)")));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_version_is_set_where_the_old_one_was() {
        let cases = [
            ("Cargo.toml", "[workspace.package]\nversion = \"1.2.3\"\nx = { version = \"1.2.3\" }\n"),
            (
                "Cargo.lock",
                "[[package]]\nname = \"ours\"\nversion = \"1.2.3\"\n\n[[package]]\nname = \"theirs\"\nversion = \"1.2.3\"\nsource = \"r\"\n",
            ),
            (
                "charts/x/Chart.yaml",
                "version: 1.2.3\nappVersion: \"1.2.3\"\nother: 11.2.3\nlonger: 1.2.3.4\nlast: 1.2.3-rc.1\n",
            ),
            ("docs/images.md", "`intel/x:1.2.3`, as Go's v1.2.3 and 1.2.3 have it.\n"),
            ("docs/helm.md", "`--set image.tag=1.2.3,initImage.tag=1.2.3`, other=1.2.3 tag=1.2.30\n"),
            ("a/tests/x.rs", "image: intel/gpu-fakedev:1.2.3. v1.2.3\n"),
            ("CHANGELOG.md", "intel/x:1.2.3\n"),
            ("tests/cluster/go.mod", "theirs v1.2.3\n"),
        ];
        let expected = [
            "[workspace.package]\nversion = \"1.3.0\"\nx = { version = \"1.2.3\" }\n",
            "[[package]]\nname = \"ours\"\nversion = \"1.3.0\"\n\n[[package]]\nname = \"theirs\"\nversion = \"1.2.3\"\nsource = \"r\"\n",
            "version: 1.3.0\nappVersion: \"1.3.0\"\nother: 11.2.3\nlonger: 1.2.3.4\nlast: 1.3.0-rc.1\n",
            "`intel/x:1.3.0`, as Go's v1.2.3 and 1.2.3 have it.\n",
            "`--set image.tag=1.3.0,initImage.tag=1.3.0`, other=1.2.3 tag=1.2.30\n",
            "image: intel/gpu-fakedev:1.3.0. v1.2.3\n",
            "intel/x:1.2.3\n",
            "theirs v1.2.3\n",
        ];
        for ((path, text), expected) in cases.into_iter().zip(expected) {
            assert_eq!(set(Path::new(path), text, "1.2.3", "1.3.0"), expected, "{path}");
        }
    }

    #[test]
    fn what_has_another_version_is_found() {
        let chart = "apiVersion: v2\nversion: 1.2.3\nappVersion: \"1.2.4\"\nkubeVersion: \">=1.32.0-0\"\n    version: 1.2.2\n";
        let lines: Vec<usize> = others(Path::new("charts/x/Chart.yaml"), chart, "1.2.3")
            .into_iter()
            .map(|(line, _)| line)
            .collect();
        assert_eq!(lines, [3, 5]);
        for (text, count) in [
            ("image: intel/intel-x-plugin:1.2.2", 1),
            ("image: \"host:5000/intel/intel-x-plugin:1.2.2\"", 1),
            ("see `docker.io/intel/NAME:1.2.2`, or (intel-x:1.2.4-rc.1)", 2),
            ("image: intel/intel-x-plugin:1.2.3", 0),
            ("image: intel/intel-x-plugin:devel", 0),
            ("image: busybox:1.2.2", 0),
            ("`--set image.tag=1.2.2,initImage.tag=1.2.1`, and (image.tag=1.2.3)", 2),
            ("--set image.tag=devel --set tags=1.2.2", 0),
        ] {
            assert_eq!(others(Path::new("docs/x.md"), text, "1.2.3").len(), count, "{text}");
        }
    }

    #[test]
    fn what_is_no_version_of_an_image_is_refused() {
        for text in ["1.2", "v1.2.3", "1.2.3+5", ""] {
            assert!(run(Some(text)).is_err(), "{text}");
        }
    }
}
