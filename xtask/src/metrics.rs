//! The page of metrics beside the code that writes them.

use std::collections::BTreeMap;
use std::path::Path;

/// The page, from the root.
pub(crate) const PAGE: &str = "docs/metrics.md";

/// What is wrong with the page, by line: its rows `| NAME | KIND |…` must be the metrics of the `sources`, each with its kind.
pub(crate) fn check<'a>(
    page: &str,
    sources: impl IntoIterator<Item = (&'a Path, &'a str)>,
) -> Vec<(usize, String)> {
    let mut offences = Vec::new();
    let mut exposed = BTreeMap::new();
    for (path, text) in sources.into_iter().filter(|(path, _)| !path.iter().any(|part| part == "tests")) {
        for (kind, name) in written(text) {
            match name {
                Some(name) => _ = exposed.insert(name, kind),
                None => offences.push((1, format!("a {kind} of {} has no name to read", path.display()))),
            }
        }
    }
    for (number, line) in (1..).zip(page.lines()) {
        let mut cells = line.split('|').skip(1).map(str::trim);
        let name = cells.next().and_then(|cell| cell.strip_prefix('`')?.strip_suffix('`'));
        let (Some(name), Some(kind @ ("counter" | "gauge" | "histogram"))) = (name, cells.next()) else {
            continue;
        };
        match exposed.remove(name) {
            None => offences.push((number, format!("{name}: there is no such metric, or it is here twice"))),
            Some(right) if right != kind => offences.push((number, format!("{name} is a {right}"))),
            Some(_) => {}
        }
    }
    offences.extend(exposed.iter().map(|(name, kind)| (1, format!("the {kind} {name} is missing"))));
    offences
}

/// Kinds and names of the metrics that a source file writes, as by `figures.gauge("name", …)`. Of a name that is given by a
/// variable, the last string that was bound to it is meant.
fn written(text: &str) -> impl Iterator<Item = (&'static str, Option<&str>)> {
    // Tests stand at the end of a file.
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let calls = ["counter", "gauge", "histogram"].into_iter().flat_map(move |kind| {
        text.match_indices(kind).filter_map(move |(start, _)| {
            let before = text.get(..start)?.strip_suffix('.')?;
            let is_comment = before.lines().next_back().is_some_and(|line| line.trim().starts_with("//"));
            let argument = text.get(start + kind.len()..)?.strip_prefix('(')?.trim_start();
            (!is_comment).then_some((kind, before, argument))
        })
    });
    calls.map(|(kind, before, argument)| {
        let quoted = argument.strip_prefix('"').or_else(|| {
            let variable = argument.split(',').next()?.trim();
            Some(before.rsplit_once(&format!("let {variable} = \""))?.1)
        });
        (kind, quoted.and_then(|rest| Some(rest.split_once('"')?.0)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "
        figures.counter(
            \"looks_total\",
            \"Looks.\",
        );
        let name = \"last_seconds\";
        page.gauge(name, \"Last.\", &[], 1);
        // figures.gauge(\"comment\", …)
        fn gauge() {}
        #[cfg(test)]
        mod tests { fn f() { figures.gauge(\"test\") } }";
    const ROWS: &str =
        "| name | type |\n|---|---|\n| `looks_total` | counter |\n| `last_seconds` | gauge | |\n";

    fn offences(page: &str, code: &str) -> Vec<String> {
        let sources = [("a/src/b.rs", code), ("a/tests/c.rs", "x.gauge(\"of_a_test\")")];
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
    fn a_name_that_cannot_be_read_is_told() {
        assert_eq!(
            offences("", "figures.gauge(names.last, 1)"),
            ["1 a gauge of a/src/b.rs has no name to read"]
        );
    }
}
