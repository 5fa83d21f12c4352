//! `cargo xtask book`: what mdBook asks while it makes the book, and whether the table of contents is whole.
//!
//! Documents link to each other by their paths in the repository, some of which lie outside of the book's folder. In the book
//! the pages of families and demos stand beside the others, and what is no page of it is named instead of linked.
//! The protocol: <https://rust-lang.github.io/mdBook/for_developers/preprocessors.html>.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::links;

/// The folder of the book, from the root.
const FOLDER: &str = "docs";
/// The table of contents, from the root.
pub(crate) const SUMMARY: &str = "docs/SUMMARY.md";

/// The page of the demos, from the root.
const DEMOS: &str = "demo/README.md";

/// Answers mdBook, which gives `[context, book]` and takes the book.
pub(crate) fn run(input: impl std::io::Read) -> Result<String, String> {
    let (_, mut book): (Value, Value) =
        serde_json::from_reader(input).map_err(|error| format!("what mdBook gives: {error}"))?;
    let mut pages = BTreeSet::new();
    each_chapter(&mut book, &mut |chapter| {
        pages.extend(path_of(chapter));
    });
    each_chapter(&mut book, &mut |chapter| {
        let Some(path) = path_of(chapter) else { return };
        let place = place(&path);
        if let Some(content) = chapter.get("content").and_then(Value::as_str) {
            let content = links::rewrite(content, |target| leads_to(target, &path, &pages));
            chapter.insert("content".to_owned(), content.into());
        }
        chapter.insert("path".to_owned(), place.into());
    });
    Ok(book.to_string())
}

type Chapter = serde_json::Map<String, Value>;

/// Does it to each chapter, wherever it is in the book.
fn each_chapter(value: &mut Value, change: &mut impl FnMut(&mut Chapter)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each_chapter(item, change)),
        Value::Object(fields) => {
            if fields.contains_key("content") {
                change(fields);
            }
            fields.values_mut().for_each(|field| each_chapter(field, change));
        }
        _ => {}
    }
}

/// Where a chapter is in the repository. mdBook knows its path from the book's folder.
fn path_of(chapter: &Chapter) -> Option<PathBuf> {
    Some(plain(&Path::new(FOLDER).join(chapter.get("source_path")?.as_str()?)))
}

/// Where a page of the repository is in the book.
fn place(path: &Path) -> String {
    let path = path.strip_prefix(FOLDER).unwrap_or(path).with_extension("").to_string_lossy().into_owned();
    match path.strip_suffix("README") {
        Some("") => "index.md".to_owned(),
        Some(folder) => format!("{}.md", folder.trim_end_matches('/')),
        None => format!("{path}.md"),
    }
}

/// What becomes of a link on the page `path`.
fn leads_to(target: &str, path: &Path, pages: &BTreeSet<PathBuf>) -> links::Target {
    if target.contains("://") || target.starts_with("mailto:") || target.starts_with('#') {
        return links::Target::Link(target.to_owned());
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let found = plain(&path.parent().unwrap_or(Path::new("")).join(file));
    // mdBook copies pictures that lie beside the pages.
    let picture =
        found.strip_prefix(FOLDER).ok().filter(|path| path.extension().is_some_and(|end| end == "svg"));
    if let Some(picture) = picture {
        let up = "../".repeat(place(path).matches('/').count());
        return links::Target::Link(format!("{up}{}", picture.display()));
    }
    if !pages.contains(&found) {
        return links::Target::Named(found.to_string_lossy().into_owned());
    }
    let up = "../".repeat(place(path).matches('/').count());
    let anchor = anchor.map(|anchor| format!("#{anchor}")).unwrap_or_default();
    links::Target::Link(format!("{up}{}{anchor}", place(&found)))
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// What is wrong with the table of contents, by line: each of the `documents` (from the root) that is a page must be in it once.
pub(crate) fn check<'a>(
    summary: &str,
    documents: impl IntoIterator<Item = &'a Path>,
) -> Vec<(usize, String)> {
    let mut lines: BTreeMap<PathBuf, Vec<usize>> = BTreeMap::new();
    for (number, target) in links::all(summary) {
        lines.entry(plain(&Path::new(FOLDER).join(target))).or_default().push(number);
    }
    let mut offences = Vec::new();
    for page in documents.into_iter().filter(|path| is_page(path)) {
        let lines = lines.remove(page).unwrap_or_default();
        if lines.is_empty() {
            offences.push((1, format!("{} is not in the table of contents", page.display())));
        }
        offences
            .extend(lines.iter().skip(1).map(|line| (*line, format!("{} is in it already", page.display()))));
    }
    let strangers = lines.into_iter().filter_map(|(path, lines)| Some((*lines.first()?, path)));
    offences.extend(strangers.map(|(line, path)| (line, format!("{} is no page", path.display()))));
    offences
}

/// Whether a document of the repository is a page of the book: all of its folder, and the families' pages.
fn is_page(path: &Path) -> bool {
    let is_family = path.starts_with("devices") && path.ends_with("README.md") && path.iter().count() == 3;
    is_family || path == Path::new(DEMOS) || (path.starts_with(FOLDER) && path != Path::new(SUMMARY))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A chapter as mdBook gives it.
    fn chapter(path: &str, content: &str, sub_items: &Value) -> Value {
        json!({"Chapter": {"name": path, "content": content, "path": path, "source_path": path, "sub_items": sub_items}})
    }

    #[test]
    fn links_lead_to_where_pages_are_in_the_book() {
        let family = "[a](../../docs/gpu/health.md#states), [b](#here), [c](../qat/README.md)";
        let nested = json!([chapter("../devices/qat/README.md", "[d](../../docs/README.md)", &json!([]))]);
        let book = json!({"items": [
            chapter("README.md", "[e](../devices/gpu/README.md#flags) [f](https://example.com/a.md)", &json!([])),
            "Separator",
            {"PartTitle": "For [all](none.md)"},
            chapter("../devices/gpu/README.md", family, &nested),
            chapter("gpu/health.md", "[g](../../devices/gpu/README.md)\nand [h](../README.md)", &json!([])),
        ]});
        let answer = run(json!([{"root": "/"}, book]).to_string().as_bytes()).unwrap();
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        let mut told = Vec::new();
        each_chapter(&mut answer, &mut |chapter| {
            told.push(format!(
                "{}: {}",
                chapter["path"].as_str().unwrap(),
                chapter["content"].as_str().unwrap()
            ));
        });
        assert_eq!(
            told,
            [
                "index.md: [e](devices/gpu.md#flags) [f](https://example.com/a.md)",
                "devices/gpu.md: [a](../gpu/health.md#states), [b](#here), [c](../devices/qat.md)",
                "devices/qat.md: [d](../index.md)",
                "gpu/health.md: [g](../devices/gpu.md)\nand [h](../index.md)",
            ]
        );
    }

    #[test]
    fn what_is_no_page_is_named() {
        let content = "see [the overlays](../deployments/x) or [`a.rs`](../crates/a.rs), [`demo`](../demo), not `[y](../z)`";
        let book = json!({"items": [chapter("a.md", content, &json!([]))]});
        let answer = run(json!([{}, book]).to_string().as_bytes()).unwrap();
        let told = "see the overlays (`deployments/x`) or `a.rs` (`crates/a.rs`), `demo`, not `[y](../z)`";
        assert!(answer.contains(told), "{answer}");
    }

    #[test]
    fn pictures_beside_the_pages_are_shown() {
        let content = "![p](../../docs/pictures/p.svg) ![q](q.svg)";
        let book = json!({"items": [chapter("../devices/gpu/README.md", content, &json!([]))]});
        let answer = run(json!([{}, book]).to_string().as_bytes()).unwrap();
        let told = "![p](../pictures/p.svg) !q (`devices/gpu/q.svg`)";
        assert!(answer.contains(told), "{answer}");
    }

    #[test]
    fn input_of_somebody_else_is_an_error() {
        let error = run("{}".as_bytes()).unwrap_err();
        assert!(error.starts_with("what mdBook gives: "), "{error}");
    }

    #[test]
    fn the_table_of_contents_names_each_page_once() {
        let documents = [
            "docs/SUMMARY.md",
            "docs/a.md",
            "docs/deep/b.md",
            "devices/gpu/README.md",
            "devices/gpu/fuzz/README.md",
            "demo/README.md",
            "README.md",
        ];
        let check = |summary: &str| {
            let found = check(summary, documents.map(Path::new));
            found.into_iter().map(|(line, what)| format!("{line} {what}")).collect::<Vec<_>>()
        };
        let good = "# Contents\n\n- [A](a.md)\n  - [B](deep/b.md)\n- [G](../devices/gpu/README.md)\n- [D](../demo/README.md)\n";
        assert_eq!(check(good), [""; 0]);
        assert_eq!(
            check(&good.replace("  - [B](deep/b.md)\n", "")),
            ["1 docs/deep/b.md is not in the table of contents"]
        );
        assert_eq!(check(&format!("{good}- [A](a.md)\n")), ["7 docs/a.md is in it already"]);
        assert_eq!(check(&format!("{good}- [R](../README.md)\n")), ["7 README.md is no page"]);
    }
}
