//! `cargo xtask invariants`: promises of the architecture that the compiler does not check.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{book, links, metrics, monitoring, pictures, quotes, reference, root, version, workflows};

/// Words that only a device's own folder may use.
const DEVICES: [&str; 9] = ["dlb", "dsa", "fpga", "gpu", "i915", "iaa", "npu", "qat", "sgx"];

/// Crates that know devices by purpose: the simulator has profiles of them.
const NAMES_DEVICES: [&str; 1] = ["crates/simulator"];

/// Files that may contain `unsafe`, by their path from the root.
const UNSAFE: [&str; 5] = [
    "crates/confine/src/calls.rs",
    "devices/fpga/programming/src/ioctl.rs",
    "devices/gpu/levelzero/fake-driver/src/calls.rs",
    "devices/gpu/levelzero/fake-driver/src/tables.rs",
    "devices/gpu/levelzero/src/ffi.rs",
];

/// What may follow the keyword; the bare word may stand in a text.
const AFTER_UNSAFE: [&str; 7] = ["{", "fn", "impl", "trait", "extern", "mod", "("];

/// Checks all of them and fails with each offending line.
pub(crate) fn run() -> Result<(), String> {
    let mut files = BTreeMap::new();
    for path in sources(&root())? {
        let shown = path.strip_prefix(root()).unwrap_or(&path).to_owned();
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", shown.display()))?;
        files.insert(shown, text);
    }
    let mut offences = Vec::new();
    let mut add = |path: &Path, found: Vec<(usize, String)>| {
        offences.extend(found.iter().map(|(line, what)| format!("{}:{line}: {what}", path.display())));
    };
    let (documents, code): (Vec<_>, Vec<_>) = files.iter().partition(|(path, _)| is_document(path));
    for (path, text) in &code {
        add(path, check(path, text));
    }
    for (path, text) in &documents {
        add(path, links::check(&root().join(path), text));
        add(path, quotes::check(&root(), text));
    }
    let page = |path: &'static str| {
        let text = files.get(Path::new(path)).ok_or_else(|| format!("{path} is not there"))?;
        Ok::<_, String>((Path::new(path), text))
    };
    let (path, summary) = page(book::SUMMARY)?;
    add(path, book::check(summary, documents.iter().map(|(path, _)| path.as_path())));
    let (path, table) = page(metrics::PAGE)?;
    add(path, metrics::check(table, code.iter().map(|(path, text)| (path.as_path(), text.as_str()))));
    for (path, wanted) in reference::pages()? {
        if files.get(Path::new(path)) != Some(&wanted) {
            offences.push(format!("{path} is not as cargo xtask reference writes it"));
        }
    }
    offences.extend(version::check()?);
    offences.extend(workflows::check()?);
    offences.extend(pictures::check()?);
    offences.extend(monitoring::run(&root())?.iter().map(|(path, what)| format!("{path}: {what}")));
    if !offences.is_empty() {
        return Err(offences.join("\nxtask: "));
    }
    println!("{} source files and documents keep the invariants", files.len());
    Ok(())
}

/// Every Rust file and every document of the repository, sorted.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let entry = entry.map_err(|error| format!("{}: {error}", folder.display()))?;
        let (path, name) = (entry.path(), entry.file_name());
        let kind = entry.file_type().map_err(|error| format!("{}: {error}", path.display()))?;
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if kind.is_dir() && !hidden && name != "target" {
            files.extend(sources(&path)?);
        } else if kind.is_file() && (path.extension().is_some_and(|end| end == "rs") || is_document(&path)) {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn is_document(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// The offending lines of a source file, with what is wrong.
fn check(path: &Path, text: &str) -> Vec<(usize, String)> {
    let mut offences = Vec::new();
    let may_be_unsafe = UNSAFE.iter().any(|allowed| path == Path::new(allowed));
    let names_nothing = is_shared(path);
    let mut in_tests = false;
    for (number, line) in (1..).zip(text.lines()) {
        // Tests stand at the end of a file.
        in_tests |= line.starts_with("#[cfg(test)]");
        if names_nothing && !in_tests {
            for word in
                words(line).filter_map(|word| DEVICES.iter().find(|name| word.eq_ignore_ascii_case(name)))
            {
                offences.push((number, format!("shared code names a device: {word}")));
            }
        }
        if !may_be_unsafe && is_unsafe(line) {
            offences.push((number, "unsafe code outside of the files that may have it".to_owned()));
        }
    }
    offences
}

/// Whether the file is shared code that names no device. Tests may, for they need examples.
fn is_shared(path: &Path) -> bool {
    let mut parts = path.iter();
    parts.next().is_some_and(|part| part == "crates")
        && parts.nth(1).is_some_and(|part| part == "src")
        && !NAMES_DEVICES.iter().any(|crate_| path.starts_with(crate_))
        && !path.iter().any(|part| part == "tests" || part == "tests.rs")
}

/// The line's runs of letters and digits; `_` divides, so that it hides no name.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_alphanumeric())
}

fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices("unsafe").any(|(start, keyword)| {
        let (before, after) = (code.get(..start), code.get(start + keyword.len()..));
        let begins_word =
            !before.is_some_and(|text| text.ends_with(|c: char| c.is_alphanumeric() || c == '_'));
        begins_word
            && after.is_some_and(|text| AFTER_UNSAFE.iter().any(|next| text.trim_start().starts_with(next)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(Path::new(path), text).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn shared_code_that_names_a_device_is_found() {
        let text =
            "//! for QAT devices\nfn sgx_pages() {}\nlet adsaf = 1;\n#[cfg(test)]\nmod tests { /* dlb */ }\n";
        assert_eq!(lines("crates/host/src/pci.rs", text), [1, 2]);
        assert_eq!(lines("crates/host/src/pci/deep.rs", text), [1, 2]);
    }

    #[test]
    fn devices_are_named_where_they_belong() {
        for path in [
            "crates/host/src/pci/tests.rs",
            "crates/host/tests/pci.rs",
            "crates/simulator/src/lib.rs",
            "devices/gpu/plugin/src/lib.rs",
            "node/src/main.rs",
        ] {
            assert_eq!(lines(path, "qat"), [0; 0], "{path}");
        }
    }

    #[test]
    fn the_keyword_is_told_from_the_word() {
        let keyword = "unsafe";
        for code in [" { x }", " fn f() {}", " impl A for B {}", " extern \"C\" {}", "(no_mangle)", "{x}"] {
            assert_eq!(lines("node/src/main.rs", &format!("let a = {keyword}{code}")), [1], "{code}");
        }
        for text in ["an unsafe word", "#![forbid(unsafe_code)]", "// unsafe { }", "is_unsafe(line)"] {
            assert_eq!(lines("node/src/main.rs", text), [0; 0], "{text}");
        }
    }
}
