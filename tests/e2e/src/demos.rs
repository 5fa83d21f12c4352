//! Images of the demos, made without a registry of images and without a builder: those of Debian's packages alone as their
//! Dockerfile says, and those that need a vendor's download with stand-ins for what that would bring.

mod run;

pub use run::{Demo, REFUSED, STOOD_IN, run_demos};

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Prerequisites, cluster};

/// What the last stage of a Dockerfile in `demo` says, as far as these images go.
#[derive(Debug, Default)]
struct Dockerfile {
    /// The release of Debian below it.
    suite: String,
    packages: Vec<String>,
    /// Those that an earlier stage only unpacks.
    programs: Vec<String>,
    /// Files below `demo`, and the folder in the image that they are copied to.
    files: Vec<(String, String)>,
    /// JSON.
    entrypoint: String,
}

impl Dockerfile {
    /// Reads that of an image.
    fn read(image: &str) -> Self {
        let path = demos().join(image).join("Dockerfile");
        let text = fs::read_to_string(&path).expect("a Dockerfile in demo");
        let text = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
        let mut found = Self::default();
        for line in text.replace("\\\n", " ").lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let after = |marker: &str| {
                let rest = words.iter().skip_while(|word| **word != marker).skip(1);
                rest.take_while(|word| **word != "&&").map(|word| (*word).to_owned()).collect::<Vec<_>>()
            };
            match words.split_first() {
                Some((&"FROM", rest)) => {
                    let base =
                        rest.first().and_then(|name| name.strip_prefix("debian:")?.strip_suffix("-slim"));
                    let programs = std::mem::take(&mut found.programs);
                    found = Self { suite: base.unwrap_or_default().to_owned(), programs, ..Self::default() };
                }
                Some((&"RUN", _)) => {
                    found.packages.extend(after("--no-install-recommends"));
                    found.programs.extend(after("download"));
                }
                Some((&"COPY", [first, ..])) if first.starts_with("--from") => {}
                Some((&"COPY", [sources @ .., folder])) => {
                    found.files.extend(sources.iter().map(|file| ((*file).to_owned(), (*folder).to_owned())));
                }
                Some((&"ENTRYPOINT", rest)) => {
                    found.entrypoint = rest.join(" ");
                }
                _ => {}
            }
        }
        assert!(!found.files.is_empty() && !found.entrypoint.is_empty(), "{image}: {found:?}");
        found
    }

    /// Those of its own files that are copied, and where they are in the image.
    fn pairs(&self) -> Vec<String> {
        let pair = |(file, folder): &(String, String)| {
            let file = demos().join(file);
            let name = file.file_name().expect("a file").to_string_lossy().into_owned();
            format!("{}={folder}{name}", file.display())
        };
        self.files.iter().map(pair).collect()
    }
}

/// An image that a demo's pod names.
#[derive(Debug)]
pub struct DemoImage {
    archive: PathBuf,
    _folder: tempfile::TempDir,
}

impl DemoImage {
    /// With Debian's packages, downloaded by apt, and nothing else but the scripts of `demo`.
    pub fn of_debian(prerequisites: &Prerequisites, name: &str) -> Self {
        let dockerfile = Dockerfile::read(name);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("root");
        unpack(prerequisites, &dockerfile, &root);
        Self::pack(name, folder, Some(&root), &dockerfile.entrypoint, &dockerfile.pairs())
    }

    /// With busybox, the scripts of `demo`, and these programs: a path in the image, and the lines of a shell script. One with a tag
    /// is a vendor's, and has no scripts of ours.
    pub fn of_stand_ins(name: &str, programs: &[(&str, &str)]) -> Self {
        let dockerfile = if name.contains(':') {
            Dockerfile { entrypoint: "[]".to_owned(), ..Dockerfile::default() }
        } else {
            Dockerfile::read(name)
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut pairs = dockerfile.pairs();
        pairs.extend(
            ["sh", "cp", "env", "grep", "ls", "mkdir", "rm", "sed", "sleep", "sort", "tr"]
                .map(|tool| format!("/bin/busybox=/bin/{tool}")),
        );
        for (number, (path, script)) in programs.iter().enumerate() {
            let file = folder.path().join(number.to_string());
            fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a stand-in");
            pairs.push(format!("{}={path}", file.display()));
        }
        Self::pack(name, folder, None, &dockerfile.entrypoint, &pairs)
    }

    fn pack(
        name: &str,
        folder: tempfile::TempDir,
        root: Option<&Path>,
        entrypoint: &str,
        pairs: &[String],
    ) -> Self {
        let archive = folder.path().join("image.tar");
        let tag = if name.contains(':') { "" } else { ":devel" };
        let mut command = Command::new(cluster::folder().join("image"));
        command.arg(&archive).args([&format!("docker.io/intel/{name}{tag}"), entrypoint]).args(pairs);
        if let Some(root) = root {
            command.env("IMAGE_ROOT", root);
        }
        let output = command.output().expect("tests/cluster/image");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        Self { archive, _folder: folder }
    }

    pub(crate) fn archive(&self) -> &Path {
        &self.archive
    }
}

/// The root file system that a Dockerfile describes. Packages are kept beside what the cluster is made of.
fn unpack(prerequisites: &Prerequisites, dockerfile: &Dockerfile, root: &Path) {
    // This thread may have moved to a cluster's network, where Debian's packages are not.
    let parent = std::os::unix::process::parent_id().to_string();
    let mut command = Command::new("nsenter");
    command.args(["--target", &parent, "--net"]).arg(cluster::folder().join("debian"));
    command.arg(prerequisites.kubernetes.with_file_name("debian")).arg(&dockerfile.suite).arg(root);
    command.args(&dockerfile.packages).arg("--").args(&dockerfile.programs);
    let output = command.output().expect("tests/cluster/debian");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn demos() -> PathBuf {
    cluster::repository().join("demo")
}
