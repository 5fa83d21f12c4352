//! All that was promised in figures, so that none is lost among the tables.

use super::page::Page;

/// A bar: the issue that set it, the block of the page and the row that has it.
struct Bar(u8, &'static str, &'static str);

const BARS: [Bar; 34] = [
    Bar(3, "gpu", "process start to Register, median"),
    Bar(3, "gpu", "process start to the first list with devices, median"),
    Bar(3, "gpu", "GPU added or removed to new list, p99"),
    Bar(3, "gpu", "kubelet.sock made anew to Register, p99"),
    Bar(3, "gpu", "peak memory (RSS), 8 GPUs"),
    Bar(3, "gpu", "peak memory (RSS), 10,000 shared devices"),
    Bar(3, "gpu", "processor time while idle, per 30 s"),
    Bar(3, "gpu", "lists sent while idle, per 30 s"),
    Bar(3, "gpu", "Allocate with CDI, p50"),
    Bar(3, "gpu", "Allocate with CDI, p99"),
    Bar(4, "families", "processor time of one look at all of it"),
    Bar(4, "families", "one function among 1,000, of what it costs among 16"),
    Bar(4, "families", "peak memory (RSS), `node` with eight families"),
    Bar(4, "families", "peak memory (RSS), each plugin alone, the largest"),
    Bar(4, "gpu", "binary with all families, static and stripped"),
    Bar(4, "sizes", "`intel-device-plugins`, bytes"),
    Bar(3, "sizes", "`intel-device-plugins`, crates"),
    Bar(8, "sizes", "`intel-device-plugins-operator`, bytes"),
    Bar(8, "sizes", "`intel-device-plugins-operator`, crates"),
    Bar(7, "sizes", "`intel_gpu_levelzero`, bytes"),
    Bar(7, "sizes", "`intel_gpu_levelzero`, crates"),
    Bar(5, "hook", "hook with nothing to program, median"),
    Bar(6, "webhook", "small pods"),
    Bar(6, "webhook", "time of an answer about one, p99"),
    Bar(6, "webhook", "peak memory (RSS)"),
    Bar(8, "operator", "before there are pods: a DaemonSet's status changes: writes for each"),
    Bar(8, "operator", "peak memory (RSS) while pods came"),
    Bar(8, "operator", "steady: writes in a minute"),
    Bar(8, "operator", "status of a DaemonSet changes: writes for each"),
    Bar(8, "operator", "before there are pods: rounds of these changes, p99"),
    Bar(8, "operator", "rounds of these changes, p99"),
    Bar(8, "operator", "each node is alive: writes"),
    Bar(8, "operator", "all rounds, p99"),
    Bar(8, "operator", "peak memory (RSS)"),
];

/// Bars that are held by tests: the issue, the bar and what fails if it is missed.
const TESTED: [(u8, &str, &str); 6] = [
    (4, "only families whose hardware changed look again", "`node/tests/node.rs`"),
    (5, "parsers of bitstreams and of what runtimes write: no crash within 64 MB", "`fuzz`, `.ci/run`"),
    (6, "1,000 connections that wait stop no others", "`crates/webhook/tests/server`"),
    (6, "slow senders stop no others", "`crates/webhook/tests/server`"),
    (
        7,
        "a GPU at 105 °C to the node's and the pod's status: 2 s and the poll's 5 s",
        "`tests/e2e/tests/companions`",
    ),
    (8, "what is written when nothing happens: nothing", "`crates/controller/tests/rounds`"),
];

/// The table of all.
pub(super) fn table(page: &Page) -> Result<String, String> {
    let mut missed = 0;
    let mut rows = String::new();
    for Bar(issue, block, figure) in BARS {
        let cells = page.row(block, figure)?;
        let (bar, here) = (cells.first().unwrap_or(&""), cells.get(1).unwrap_or(&""));
        missed += usize::from(here.contains("missed"));
        rows += &format!("| {issue} | {block}: {figure} | {bar} | {here} |\n");
    }
    for (issue, bar, by) in TESTED {
        rows += &format!("| {issue} | {bar} | tested | {by} |\n");
    }
    let count = BARS.len() + TESTED.len();
    Ok(format!(
        "{count} bars, of which {missed} are missed. Before the colon is the part that measures it.\n\n\
         | issue | figure | bar | here |\n|---|---|---|---|\n{rows}"
    )
    .trim_end()
    .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_has_its_row_in_the_page_and_a_limit() {
        let page = Page::read().unwrap();
        for Bar(_, block, figure) in BARS {
            let cells = page.row(block, figure).unwrap();
            assert!(cells[0].starts_with(['≤', '≥']), "{figure}: {cells:?}");
        }
        assert!(page.text().contains(&table(&page).unwrap()), "cargo xtask bench writes the table of bars");
    }
}
