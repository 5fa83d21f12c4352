//! Text tables with aligned columns.

/// Rows under a heading, each as many cells as the heading.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this heading.
    pub(crate) fn new<const N: usize>(heading: [&str; N]) -> Self {
        Self { rows: vec![heading.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// The lines, the heading first; `style` colours whole lines, 0 being the heading.
    pub(crate) fn lines(&self, style: impl Fn(usize, &str) -> String) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.rows.iter().enumerate().map(|(number, row)| style(number, &line(row))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["RESOURCE", "N"]);
        table.row(["gpu.intel.com/xe".to_owned(), "1".to_owned()]);
        table.row(["é".to_owned(), "10".to_owned()]);
        let lines = table.lines(|_, line| line.to_owned());
        assert_eq!(lines, ["RESOURCE          N", "gpu.intel.com/xe  1", "é                 10"]);
    }
}
