//! That docs/unsafe.md lists all `unsafe` of ours, and that each has its reason beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::build::SHIPPED;
use crate::crates;
use crate::platform::Platform;

/// The table is `| file | number of blocks | why | how checked |`, and the only place that says which files may have any.
pub(crate) const PAGE: &str = "docs/unsafe.md";

/// What may follow the keyword; the bare word may stand in a text.
const AFTER: [&str; 7] = ["{", "fn", "impl", "trait", "extern", "mod", "("];

/// The crates of others in what is shipped whose source has unsafe code, as the page names them: a line for each binary.
pub(crate) fn dependencies() -> Result<String, String> {
    let mut lines = String::new();
    for shipped in SHIPPED {
        let mut names = BTreeSet::new();
        for dependency in crates::of_others(shipped.package, Platform::Amd64)? {
            if has_unsafe(&dependency.folder.join("src"))? {
                names.insert(dependency.name);
            }
        }
        let names: Vec<String> = names.into_iter().collect();
        lines += &format!("- `{}`: {}\n", shipped.package, names.join(", "));
    }
    Ok(lines)
}

fn has_unsafe(path: &Path) -> Result<bool, String> {
    let failed = |error| format!("{}: {error}", path.display());
    if !path.is_dir() {
        let is_source = path.extension().is_some_and(|end| end == "rs");
        let text = if is_source { fs::read(path).map_err(failed)? } else { Vec::new() };
        return Ok(String::from_utf8_lossy(&text).lines().any(|line| after_keyword(line).is_some()));
    }
    for entry in fs::read_dir(path).map_err(failed)? {
        if has_unsafe(&entry.map_err(failed)?.path())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Each offence: where, and what is wrong.
pub(crate) fn check<'a>(
    page: &str,
    code: impl Iterator<Item = (&'a Path, &'a str)>,
) -> Vec<(PathBuf, usize, String)> {
    let mut offences = Vec::new();
    let mut rows = rows(page);
    for (path, text) in code {
        let row = rows.remove(path);
        let lines: Vec<&str> = text.lines().collect();
        let mut blocks = 0;
        for (index, line) in lines.iter().enumerate() {
            let mut add = |what: &str| offences.push((path.to_owned(), index + 1, what.to_owned()));
            let Some(next) = after_keyword(line) else { continue };
            if row.is_none() {
                add("unsafe code outside of the files that docs/unsafe.md lists");
            }
            if next.starts_with('{') || next.starts_with("impl") {
                blocks += 1;
                if !has_reason(lines.get(..index).unwrap_or_default()) {
                    add("no `// SAFETY:` stands above it");
                }
            }
        }
        if let Some((line, said)) = row
            && said != blocks
        {
            let what = format!("{} has {blocks} blocks, not {said}", path.display());
            offences.push((PAGE.into(), line, what));
        }
    }
    let gone =
        |(path, (line, _)): (PathBuf, _)| (PAGE.into(), line, format!("{} is not there", path.display()));
    offences.extend(rows.into_iter().map(gone));
    offences
}

/// By the file: the line of the page, and the number of blocks.
fn rows(page: &str) -> BTreeMap<PathBuf, (usize, usize)> {
    let row = |(line, text): (usize, &str)| {
        let mut cells = text.strip_prefix("| `")?.split(" | ");
        let file = cells.next()?.strip_suffix('`')?;
        Some((file.into(), (line, cells.next()?.parse().ok()?)))
    };
    (1..).zip(page.lines()).filter_map(row).collect()
}

/// Whether comments right above, between which may be attributes and the beginning of the statement, say why.
fn has_reason(above: &[&str]) -> bool {
    let lines = above.iter().rev().map(|line| line.trim());
    let mut comment = lines.skip_while(|line| !line.starts_with("//") && !line.ends_with(['{', '}', ';']));
    comment.by_ref().take_while(|line| line.starts_with("//")).any(|line| line.starts_with("// SAFETY: "))
}

/// What follows the keyword, if the line has it.
fn after_keyword(line: &str) -> Option<&str> {
    let code = line.split("//").next().unwrap_or_default();
    // A name for a type of functions does nothing.
    if code.starts_with("type ") {
        return None;
    }
    code.match_indices("unsafe").find_map(|(start, keyword)| {
        let (before, after) = code.split_at_checked(start)?;
        let begins_word = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let after = after.strip_prefix(keyword)?.trim_start();
        (begins_word && AFTER.iter().any(|next| after.starts_with(next))).then_some(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "a/src/ffi.rs";

    fn found(page: &str, text: &str) -> Vec<String> {
        let offences = check(page, std::iter::once((Path::new(FILE), text)));
        offences.into_iter().map(|(path, line, what)| format!("{}:{line}: {what}", path.display())).collect()
    }

    /// Written so that this file has none.
    fn code(text: &str) -> String {
        text.replace("UNSAFE", "unsafe")
    }

    #[test]
    fn the_keyword_is_told_from_the_word() {
        for next in [" { x }", " fn f() {}", " impl A for B {}", " extern \"C\" {}", "(no_mangle)", "{x}"] {
            let text = format!("// SAFETY: why\nlet a = {}{next}", code("UNSAFE"));
            assert_eq!(found("", &text).len(), 1, "{next}");
        }
        for text in [
            "an UNSAFE word",
            "#![forbid(UNSAFE_code)]",
            "// UNSAFE { }",
            "is_UNSAFE(line)",
            "type A = UNSAFE fn();",
        ] {
            assert_eq!(found("", &code(text)), [""; 0], "{text}");
        }
    }

    #[test]
    fn the_page_counts_the_blocks_of_each_file() {
        let page = |count: usize| format!("# Unsafe\n\n| `{FILE}` | {count} | why | how |\n");
        let text = code(
            "// SAFETY: one\nUNSAFE { a() }\n// SAFETY: two,\n// on two lines\n#[b]\nlet x =\n    UNSAFE { c() };\nUNSAFE fn d() {}\n",
        );
        assert_eq!(found(&page(2), &text), [""; 0]);
        assert_eq!(found(&page(3), &text), [format!("{PAGE}:3: {FILE} has 2 blocks, not 3")]);
        assert_eq!(check(&page(2), std::iter::empty()).len(), 1, "a file that is gone");
    }

    #[test]
    fn each_block_needs_its_own_reason() {
        let page = format!("| `{FILE}` | 1 | why | how |");
        for text in [
            "UNSAFE { a() }",
            "// SAFETY: for b\nb();\nUNSAFE { a() }",
            "// it is safe\nUNSAFE impl A for B {}",
        ] {
            assert!(found(&page, &code(text))[0].contains("SAFETY"), "{text}");
        }
    }
}
