//! The flags of `cargo xtask bundle`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::flags;
use crate::images::REGISTRY;
use crate::version::VERSION;

/// The flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// What stands before the names of images, without a slash at the end.
    pub(crate) registry: String,
    /// The digests of images by their names. Those that are not here are named by the version.
    pub(crate) digests: BTreeMap<String, String>,
    /// The version that this one updates, such as `0.35.0`.
    pub(crate) replaces: Option<String>,
    /// The folder of the bundle; `target/bundle` without.
    pub(crate) output: Option<PathBuf>,
}

impl Options {
    /// Reads `--flag VALUE` and `--flag=VALUE`.
    pub(crate) fn parse(args: &[&str]) -> Result<Self, String> {
        let mut options =
            Self { registry: REGISTRY.to_owned(), digests: BTreeMap::new(), replaces: None, output: None };
        for (flag, value) in flags::pairs(args)? {
            match flag {
                "--registry" => value.trim_end_matches('/').clone_into(&mut options.registry),
                "--digests" => {
                    let text = fs::read_to_string(&value).map_err(|error| format!("{value}: {error}"))?;
                    options.digests = digests(&text);
                    if options.digests.is_empty() {
                        return Err(format!(
                            "{value} has no digests: give it what `cargo xtask images` prints"
                        ));
                    }
                }
                "--replaces" => options.replaces = Some(value),
                "--output" => options.output = Some(value.into()),
                _ => return Err(format!("there is no flag {flag}")),
            }
        }
        Ok(options)
    }

    /// The full name of an image.
    pub(crate) fn image(&self, name: &str) -> String {
        match self.digests.get(name) {
            Some(digest) => format!("{}/{name}@{digest}", self.registry),
            None => format!("{}/{name}:{VERSION}", self.registry),
        }
    }
}

/// Of the lines `NAME DIGEST …`.
fn digests(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (name, digest) = (words.next()?, words.next()?);
        let hash = digest.strip_prefix("sha256:")?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash.then(|| (name.to_owned(), digest.to_owned()))
    });
    pairs.collect()
}
