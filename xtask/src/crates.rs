//! The crates that are linked into a binary, and what `cargo` and `Cargo.lock` know of those that others wrote.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::platform::Platform;
use crate::{cargo, output_of, root};

/// A crate of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) version: String,
    /// An SPDX expression.
    pub(crate) licence: String,
    /// The folder with its source.
    pub(crate) folder: PathBuf,
    /// Where it is developed, if its manifest says so.
    pub(crate) repository: Option<String>,
    /// SHA-256 of its archive in the registry, in hexadecimal digits.
    pub(crate) checksum: String,
}

/// Names and versions of all crates that are linked into the package's binary, sorted, itself included.
pub(crate) fn linked(package: &str, platform: Platform) -> Result<Vec<(String, String)>, String> {
    let tree = output_of(
        cargo()
            .args(["tree", "--locked", "--prefix=none", "--edges=normal,no-proc-macro", "--format={p}"])
            .args(["--package", package, "--target", platform.target()]),
    )?;
    // Lines such as `libc v0.2.186` and `cli v0.1.0 (/folder)`.
    let mut crates: Vec<(String, String)> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
        })
        .collect();
    crates.sort_unstable();
    crates.dedup();
    Ok(crates)
}

/// Those of them that come from a registry.
pub(crate) fn of_others(package: &str, platform: Platform) -> Result<Vec<Crate>, String> {
    let metadata = ["metadata", "--locked", "--format-version=1", "--filter-platform", platform.target()];
    let metadata = output_of(cargo().args(metadata))?;
    let metadata: Value =
        serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages =
        metadata.get("packages").and_then(Value::as_array).ok_or("cargo metadata lists no packages")?;
    let lock = root().join("Cargo.lock");
    let lock = fs::read_to_string(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    let checksums = checksums(&lock);
    let mut crates = Vec::new();
    for (name, version) in linked(package, platform)? {
        let is_it =
            |found: &&Value| field(found, "name") == Some(&name) && field(found, "version") == Some(&version);
        let found = packages.iter().find(is_it);
        let found = found.ok_or_else(|| format!("cargo metadata does not know {name} {version}"))?;
        if field(found, "source").is_none() {
            continue;
        }
        let text = |wanted: &str| {
            let text = field(found, wanted).map(str::to_owned);
            text.ok_or_else(|| format!("the manifest of {name} {version} has no {wanted}"))
        };
        let checksum = checksums.get(&(name.as_str(), version.as_str())).copied();
        crates.push(Crate {
            // Before there were expressions, manifests had lists with slashes.
            licence: text("license")?.replace(" / ", "/").replace('/', " OR "),
            folder: PathBuf::from(text("manifest_path")?).parent().map(PathBuf::from).unwrap_or_default(),
            repository: text("repository").ok(),
            checksum: checksum
                .ok_or_else(|| format!("Cargo.lock has no checksum of {name} {version}"))?
                .to_owned(),
            name,
            version,
        });
    }
    Ok(crates)
}

fn field<'a>(package: &'a Value, name: &str) -> Option<&'a str> {
    package.get(name)?.as_str()
}

/// The checksums in a `Cargo.lock`, by name and version.
fn checksums(lock: &str) -> BTreeMap<(&str, &str), &str> {
    let of_package = |package| {
        let field = |name: &str| {
            let mut values =
                str::lines(package).filter_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            values.next().map(|value| value.trim_matches('"'))
        };
        Some(((field("name")?, field("version")?), field("checksum")?))
    };
    lock.split("[[package]]").filter_map(of_package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_of_a_registry_has_a_checksum_in_the_lock_file_and_a_crate_of_ours_has_none() {
        let lock = "version = 4\n\n[[package]]\nname = \"ours\"\nversion = \"0.1.0\"\ndependencies = [\n \"libc\",\n]\n\n\
                    [[package]]\nname = \"libc\"\nversion = \"0.2.1\"\nsource = \"registry\"\nchecksum = \"c0ffee\"\n";
        assert_eq!(checksums(lock), BTreeMap::from([(("libc", "0.2.1"), "c0ffee")]));
    }
}
