//! The flags of `cargo xtask release`.

use std::path::PathBuf;

use crate::images;
use crate::target;
use crate::version::VERSION;

/// The flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// Whether nothing is pushed.
    pub(crate) dry_run: bool,
    /// Whether binaries are built again, to see that they come out the same.
    pub(crate) twice: bool,
    /// Those of images; the folder is that of the release, and the only tag its version.
    pub(crate) images: images::Options,
    helm: Option<PathBuf>,
}

impl Options {
    /// Reads the command line: `--dry-run`, `--twice`, `--helm PROGRAM`, and the flags of images but `--tag`.
    pub(crate) fn parse(args: &[&str]) -> Result<Self, String> {
        let mut helm = None;
        let (mut dry_run, mut twice) = (false, false);
        let mut of_images = vec!["--tag", VERSION];
        let mut words = args.iter();
        while let Some(word) = words.next() {
            match word.split_once('=').unwrap_or((word, "")) {
                ("--dry-run", "") => dry_run = true,
                ("--twice", "") => twice = true,
                ("--helm", "") => helm = Some(words.next().ok_or("--helm needs a value")?.into()),
                ("--helm", value) => helm = Some(value.into()),
                ("--tag", _) => {
                    return Err("a release has one tag, its version: cargo xtask version".to_owned());
                }
                _ => of_images.push(word),
            }
        }
        let images = images::Options::parse(&of_images)?;
        if twice && !images.binaries.is_empty() {
            return Err("--twice builds: leave out --binaries".to_owned());
        }
        Ok(Self { dry_run, twice, images, helm })
    }

    /// The folder of the release.
    pub(crate) fn output(&self) -> PathBuf {
        self.images.output.clone().unwrap_or_else(|| target().join("dist"))
    }

    /// Helm: the one of the flag, else that which tests use once it is built, else what is installed.
    pub(crate) fn helm(&self) -> PathBuf {
        let of_tests = target().join("cluster/helm");
        let installed = if of_tests.exists() { of_tests } else { PathBuf::from("helm") };
        self.helm.clone().unwrap_or(installed)
    }
}
