//! The page of metrics beside the code that writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The page, from the root.
pub(crate) const PAGE: &str = "docs/metrics.md";

/// A metric, as the page has it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Metric {
    /// `counter`, `gauge` or `histogram`.
    pub(crate) kind: String,
    pub(crate) labels: BTreeSet<String>,
    /// The label whose values are known, and these.
    pub(crate) values: Option<(String, BTreeSet<String>)>,
}

/// The rows `| NAME | KIND | LABELS |…` of the page, with their lines. Labels are between backquotes; after a colon come the values of
/// the last.
pub(crate) fn table(page: &str) -> impl Iterator<Item = (usize, &str, Metric)> {
    (1..).zip(page.lines()).filter_map(|(number, line)| {
        let mut cells = line.split('|').skip(1).map(str::trim);
        let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        let kind = cells.next().filter(|kind| ["counter", "gauge", "histogram"].contains(kind))?.to_owned();
        let cell = cells.next().unwrap_or_default();
        let (labels, values) =
            cell.split_once(": ").map_or((cell, None), |(labels, values)| (labels, Some(values)));
        let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        let labels = quoted(labels);
        let values = labels.last().cloned().zip(values.map(|values| quoted(values).into_iter().collect()));
        Some((number, name, Metric { kind, labels: labels.into_iter().collect(), values }))
    })
}

/// What is wrong with the page, by line: its rows must be the metrics of the `sources`, each with its kind and labels.
pub(crate) fn check<'a>(
    page: &str,
    sources: impl IntoIterator<Item = (&'a Path, &'a str)>,
) -> Vec<(usize, String)> {
    let mut offences = Vec::new();
    let mut exposed = BTreeMap::new();
    for (path, text) in sources.into_iter().filter(|(path, _)| !path.iter().any(|part| part == "tests")) {
        for Written { kind, name, labels } in written(text) {
            let shown = path.display();
            match (name, labels) {
                (None, _) => offences.push((1, format!("a {kind} of {shown} has no name to read"))),
                (Some(name), None) => offences.push((1, format!("{name} of {shown} has no labels to read"))),
                (Some(name), Some(labels)) => _ = exposed.insert(name, (kind, labels)),
            }
        }
    }
    for (number, name, shown) in table(page) {
        match exposed.remove(name) {
            None => offences.push((number, format!("{name}: there is no such metric, or it is here twice"))),
            Some((kind, _)) if shown.kind != kind => offences.push((number, format!("{name} is a {kind}"))),
            Some((_, labels)) if !shown.labels.iter().eq(&labels) => {
                offences.push((number, format!("{name} has the labels {labels:?}")));
            }
            Some(_) => {}
        }
    }
    offences.extend(exposed.iter().map(|(name, (kind, _))| (1, format!("the {kind} {name} is missing"))));
    offences
}

/// A metric, as a source file writes it.
struct Written<'a> {
    kind: &'static str,
    name: Option<&'a str>,
    labels: Option<BTreeSet<&'a str>>,
}

/// The metrics that a source file writes, as by `figures.gauge("name", "help", &[("label", …)], …)`. Of a name or of labels that are
/// given by a variable, what was last bound to it is meant.
fn written(text: &str) -> impl Iterator<Item = Written<'_>> {
    // Tests stand at the end of a file.
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let calls = ["counter", "gauge", "histogram"].into_iter().flat_map(move |kind| {
        text.match_indices(kind).filter_map(move |(start, _)| {
            let before = text.get(..start)?.strip_suffix('.')?;
            let is_comment = before.lines().next_back().is_some_and(|line| line.trim().starts_with("//"));
            let arguments =
                text.get(start + kind.len()..)?.strip_prefix('(')?.split(";\n").next()?.trim_start();
            (!is_comment).then_some((kind, before, arguments))
        })
    });
    calls.map(|(kind, before, arguments)| {
        let bound = |variable: &str, begin| Some(before.rsplit_once(&format!("let {variable} = {begin}"))?.1);
        let quoted = arguments.strip_prefix('"').or_else(|| bound(arguments.split(',').next()?.trim(), '"'));
        let labels = arguments.split('&').skip(1).find_map(|reference| {
            let list = reference.strip_prefix('[').or_else(|| {
                let end = reference.find(|c: char| !c.is_alphanumeric() && c != '_')?;
                bound(reference.get(..end)?, '[')
            })?;
            Some(
                list.split_once(']')?
                    .0
                    .split("(\"")
                    .skip(1)
                    .filter_map(|pair| pair.split('"').next())
                    .collect(),
            )
        });
        Written { kind, name: quoted.and_then(|rest| Some(rest.split_once('"')?.0)), labels }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "
        figures.counter(
            \"looks_total\",
            \"Looks.\",
            &[(\"node\", name), (\"result\", \"ok\")],
            &one.two,
        );
        let name = \"last_seconds\";
        let labels = [(\"plugin\", name)];
        page.gauge(name, \"Last.\", &labels, 1);
        // figures.gauge(\"comment\", …)
        fn gauge() {}
        #[cfg(test)]
        mod tests { fn f() { figures.gauge(\"test\") } }";
    const ROWS: &str = "| name | type | labels |\n|---|---|---|\n| `looks_total` | counter | `node`, `result`: `ok`, `error` |\n\
        | `last_seconds` | gauge | `plugin` | since |\n";

    fn offences(page: &str, code: &str) -> Vec<String> {
        let sources = [("a/src/b.rs", code), ("a/tests/c.rs", "x.gauge(\"of_a_test\", \"\", &[]);")];
        let found = check(page, sources.map(|(path, text)| (Path::new(path), text)));
        found.into_iter().map(|(line, what)| format!("{line} {what}")).collect()
    }

    #[test]
    fn a_page_with_what_the_code_writes_is_good() {
        assert_eq!(offences(ROWS, CODE), [""; 0]);
    }

    #[test]
    fn metrics_are_neither_missing_nor_invented_nor_of_another_kind() {
        assert_eq!(
            offences("", CODE),
            ["1 the gauge last_seconds is missing", "1 the counter looks_total is missing"]
        );
        assert_eq!(
            offences(&format!("{ROWS}| `none` | gauge |"), CODE),
            ["5 none: there is no such metric, or it is here twice"]
        );
        assert_eq!(offences(&ROWS.replace("counter", "gauge"), CODE), ["3 looks_total is a counter"]);
    }

    #[test]
    fn labels_are_those_of_the_code() {
        for (from, to) in [("`node`, ", ""), ("`node`", "`host`"), ("`result`:", "`result`, `more`:")] {
            assert_eq!(
                offences(&ROWS.replace(from, to), CODE),
                ["3 looks_total has the labels {\"node\", \"result\"}"]
            );
        }
        assert_eq!(
            offences(&ROWS.replace("`plugin`", ""), CODE),
            ["4 last_seconds has the labels {\"plugin\"}"]
        );
    }

    #[test]
    fn values_of_a_label_stand_behind_it() {
        let rows: Vec<_> = table(ROWS).map(|(line, name, metric)| (line, name, metric.values)).collect();
        let results = ["error", "ok"].map(str::to_owned).into();
        assert_eq!(
            rows,
            [(3, "looks_total", Some(("result".to_owned(), results))), (4, "last_seconds", None)]
        );
    }

    #[test]
    fn a_name_that_cannot_be_read_is_told() {
        assert_eq!(
            offences("", "figures.gauge(names.last, \"\", &[], 1);"),
            ["1 a gauge of a/src/b.rs has no name to read"]
        );
        assert_eq!(
            offences("", "figures.gauge(\"a\", \"\", labels(), 1);"),
            ["1 a of a/src/b.rs has no labels to read"]
        );
    }
}
