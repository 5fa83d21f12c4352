//! `docs/benchmarks.md`: prose, and between markers what is measured.

use std::fs;

use crate::root;

const PATH: &str = "docs/benchmarks.md";
const END: &str = "<!-- /bench -->";

/// The page.
pub(super) struct Page(String);

impl Page {
    pub(super) fn read() -> Result<Self, String> {
        fs::read_to_string(root().join(PATH)).map(Self).map_err(|error| format!("{PATH}: {error}"))
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Where the content of a block is: between `<!-- bench NAME -->` and the next end.
    fn place(&self, name: &str) -> Result<std::ops::Range<usize>, String> {
        let marker = format!("<!-- bench {name} -->\n");
        let begin = self.0.find(&marker).ok_or_else(|| format!("{PATH} has no line {}", marker.trim()))?;
        let begin = begin + marker.len();
        let end = self.0.get(begin..).and_then(|rest| rest.find(END));
        Ok(begin..begin + end.ok_or_else(|| format!("{PATH}: no {END} after {}", marker.trim()))?)
    }

    pub(super) fn set(&mut self, name: &str, content: &str) -> Result<(), String> {
        let place = self.place(name)?;
        self.0.replace_range(place, &format!("{content}\n"));
        Ok(())
    }

    /// The cells of the row of a block that begins with this one, without it.
    pub(super) fn row(&self, block: &str, first: &str) -> Result<Vec<&str>, String> {
        let content = self.0.get(self.place(block)?).unwrap_or_default();
        let rows = content.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix('|'));
        let rows = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
        let mut rows = rows.filter(|cells| cells.first() == Some(&first));
        match (rows.next(), rows.next()) {
            (Some(found), None) => Ok(found.into_iter().skip(1).collect()),
            (None, _) => Err(format!("the tables of {block} in {PATH} have no row {first:?}")),
            (Some(_), Some(_)) => Err(format!("the tables of {block} in {PATH} have two rows {first:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        Page("a\n<!-- bench x -->\n| start | ≤ 2 ms | 1 ms |\n<!-- /bench -->\nb\n<!-- bench y -->\n<!-- /bench -->\n".to_owned())
    }

    #[test]
    fn a_block_is_replaced_and_nothing_around_it() {
        let mut page = page();
        page.set("x", "new").unwrap();
        page.set("y", "| newer |").unwrap();
        let expected =
            "a\n<!-- bench x -->\nnew\n<!-- /bench -->\nb\n<!-- bench y -->\n| newer |\n<!-- /bench -->\n";
        assert_eq!(page.text(), expected);
        assert!(page.set("z", "").unwrap_err().contains("<!-- bench z -->"));
    }

    #[test]
    fn a_row_is_found_by_its_first_cell_in_its_block_only() {
        assert_eq!(page().row("x", "start"), Ok(vec!["≤ 2 ms", "1 ms"]));
        assert!(page().row("y", "start").unwrap_err().contains("no row \"start\""));
        let mut twice = page();
        twice.set("y", "| start | 1 |\n| start | 2 |").unwrap();
        assert!(twice.row("y", "start").unwrap_err().contains("two rows"));
    }
}
