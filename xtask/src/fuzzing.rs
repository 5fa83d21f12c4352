//! That docs/fuzzing.md lists all that reads what others write, and its fuzz targets.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::root;

/// Its tables begin with a target, or with files and folders that read.
pub(crate) const PAGE: &str = "docs/fuzzing.md";

/// What code has that reads by itself; command lines and device attributes are read by `cli` and `host`.
const MARKS: [&str; 8] = [
    "impl FromStr for",
    "serde_json::from_",
    "serde_saphyr::from_",
    "Deserializer::from_",
    "pem::parse",
    "fn parse(text: &",
    "fn parse(line: &",
    "fn parse(message: &",
];

/// Where code is that no product runs.
const OURS: [&str; 6] =
    ["bench/", "fuzz/", "tests/", "xtask/", "crates/controller/testing/", "devices/fpga/emulator/"];

/// The fuzz targets, each with the number of files that it begins with.
pub(crate) fn targets() -> Result<BTreeMap<String, usize>, String> {
    let count = |folder: &Path| fs::read_dir(folder).map_or(0, Iterator::count);
    let folder = root().join("fuzz/targets");
    let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let names = entries.filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()));
    Ok(names.map(|name| (name.clone(), count(&root().join("fuzz/corpus").join(name)))).collect())
}

/// What is wrong with the page.
pub(crate) fn check<'a>(
    page: &str,
    targets: &BTreeMap<String, usize>,
    code: impl Iterator<Item = (&'a Path, &'a str)>,
) -> Vec<String> {
    let named: Vec<&str> = page.lines().filter(|line| line.starts_with('|')).flat_map(quoted).collect();
    let mut offences = Vec::new();
    for (target, files) in targets {
        if !named.contains(&target.as_str()) {
            offences.push(format!("does not name the fuzz target {target}"));
        }
        if *files == 0 {
            offences
                .push(format!("the fuzz target {target} has no files to begin with in fuzz/corpus/{target}"));
        }
    }
    for (path, text) in code {
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let is_listed = || named.iter().any(|place| place.contains('/') && path.starts_with(place));
        let is_ours = OURS.iter().any(|folder| path.starts_with(folder))
            || path
                .components()
                .any(|part| ["tests", "tests.rs", "testing.rs"].iter().any(|name| part.as_os_str() == *name));
        if !is_ours && MARKS.iter().any(|mark| text.contains(mark)) && !is_listed() {
            offences.push(format!("does not list {}, which reads what others write", path.display()));
        }
    }
    offences
}

/// The words in backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_told() {
        let page = "the file `crates/b/src/c.rs`\n| `one` | reads | `crates/a/src/x`, `crates/d` |\n";
        let found = |target: &str, files, path: &str, text: &str| {
            let targets = BTreeMap::from([(target.to_owned(), files)]);
            check(page, &targets, std::iter::once((Path::new(path), text))).join("; ")
        };
        let reads = "impl FromStr for A {}";
        for path in ["crates/a/src/x/y.rs", "crates/d/src/lib.rs", "xtask/src/a.rs", "crates/z/src/tests.rs"]
        {
            assert_eq!(found("one", 1, path, reads), "");
        }
        assert_eq!(found("one", 1, "crates/b/src/c.rs", "#[cfg(test)]\nserde_json::from_str(text)"), "");
        assert!(found("one", 1, "crates/b/src/c.rs", reads).starts_with("does not list crates/b/src/c.rs"));
        assert!(found("two", 1, "a.rs", "").contains("target two"));
        assert!(found("one", 0, "a.rs", "").contains("no files"));
    }
}
