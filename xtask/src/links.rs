//! The links in documents: each that leads to a place of the repository must find it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The links of a document that lead nowhere, by line, with what is wrong. `path` is where the document is.
pub(crate) fn check(path: &Path, text: &str) -> Vec<(usize, String)> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut offences = Vec::new();
    let local = all(text).filter(|(_, target)| !target.contains("://") && !target.starts_with("mailto:"));
    for (number, target) in local {
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let found = if file.is_empty() { path.to_owned() } else { folder.join(file) };
        if !found.exists() {
            offences.push((number, format!("the link {target} leads to no file")));
        } else if !anchor.is_empty()
            && !fs::read_to_string(&found).is_ok_and(|text| anchors(&text).any(|known| known == anchor))
        {
            offences.push((number, format!("the link {target} leads to no heading")));
        }
    }
    offences
}

/// All links of a document with their lines.
pub(crate) fn all(text: &str) -> impl Iterator<Item = (usize, &str)> {
    prose(text).flat_map(|(number, line)| targets(line).map(move |target| (number, target)))
}

/// What becomes of a link.
pub(crate) enum Target {
    /// It leads there.
    Link(String),
    /// It is no link; its text is followed by this path, unless it is that.
    Named(String),
}

/// The document with links of the form `[text](target)` changed.
pub(crate) fn rewrite(text: &str, becomes: impl Fn(&str) -> Target) -> String {
    let prose: BTreeSet<usize> = prose(text).map(|(number, _)| number).collect();
    let mut out = String::with_capacity(text.len());
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        if !prose.contains(&number) {
            out.push_str(line);
            continue;
        }
        for (index, part) in line.split('`').enumerate() {
            if index > 0 {
                out.push('`');
            }
            // Between backquotes is code.
            if index % 2 == 0 { rewrite_links(&mut out, part, &becomes) } else { out.push_str(part) }
        }
    }
    out
}

/// Appends a part of a line without code.
fn rewrite_links(out: &mut String, part: &str, becomes: &impl Fn(&str) -> Target) {
    let mut rest = part;
    while let Some((before, (target, after))) =
        rest.split_once("](").and_then(|(before, link)| Some((before, link.split_once(')')?)))
    {
        out.push_str(before);
        match (becomes(target), out.rfind('[')) {
            (Target::Named(path), Some(start)) => {
                out.remove(start);
                let path = format!("`{path}`");
                if !out.ends_with(&path) {
                    out.push_str(&format!(" ({path})"));
                }
            }
            (Target::Named(target) | Target::Link(target), _) => out.push_str(&format!("]({target})")),
        }
        rest = after;
    }
    out.push_str(rest);
}

/// The lines outside of blocks of code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence && !line.starts_with("    ")
    })
}

/// Where the links `[text](target)` and `[text]: target` of a line lead.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    // Between backquotes is code.
    let code_free = line.split('`').step_by(2);
    let inline = code_free.clone().flat_map(|part| part.split("](").skip(1));
    let defined =
        code_free.take(1).filter(|part| part.starts_with('[')).filter_map(|part| part.split_once("]: "));
    let targets = inline.filter_map(|rest| Some(rest.split_once(')')?.0));
    targets.chain(defined.map(|(_, target)| target)).filter_map(|target| target.split_whitespace().next())
}

/// What GitHub calls the headings of a document: words in lower case with dashes between, and a number where two are the
/// same.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let mut counts = BTreeMap::new();
    let headings = prose(text).filter_map(|(_, line)| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len() && title.starts_with(' ')).then(|| title.trim())
    });
    headings.map(move |title| {
        let kept = title
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c))
            .collect::<String>();
        let anchor = kept.replace(' ', "-");
        let count: &mut usize = counts.entry(anchor.clone()).or_default();
        *count += 1;
        if *count == 1 { anchor } else { format!("{anchor}-{}", *count - 1) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let other = "# One thing, `code`: two\n## Same\n## Same\n```\n# no heading\n```\n";
        fs::create_dir(folder.path().join("docs")).unwrap();
        fs::write(folder.path().join("docs/other.md"), other).unwrap();
        let path = folder.path().join("README.md");
        let check = |text: &str| {
            fs::write(&path, text).unwrap();
            check(&path, text).into_iter().map(|(line, what)| format!("{line} {what}")).collect::<Vec<_>>()
        };
        for good in [
            "[a](docs/other.md) and [b](docs), [c](https://example.com/no#where), [d](mailto:a@b)",
            "# Top\n[a](#top) [b](docs/other.md#one-thing-code-two) [c](docs/other.md#same-1)",
            "`[a](none.md)`\n```\n[a](none.md)\n```\n",
            "[a][b]\n\n[b]: docs/other.md \"title\"\n",
        ] {
            assert_eq!(check(good), [""; 0], "{good}");
        }
        assert_eq!(check("\n[a](docs) [b](none.md#a)"), ["2 the link none.md#a leads to no file"]);
        for target in ["#no-heading", "docs/other.md#same-2", "docs/other.md#one-thing", "docs#x"] {
            assert_eq!(
                check(&format!("[a]({target})")),
                [format!("1 the link {target} leads to no heading")]
            );
        }
        assert_eq!(check("[a]: other.md"), ["1 the link other.md leads to no file"]);
    }
}
