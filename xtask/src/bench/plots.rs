//! Plots of the page's figures, as SVG.

use super::page::Page;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 290.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 74.0;
const ROW: f64 = 34.0;
const BOTTOM: f64 = 46.0;

/// `a` is what is measured of this project, `b` the Go implementation. Dark where the reader's other pages are.
const STYLE: &str = "\
text{font:13px system-ui,-apple-system,'Segoe UI','Noto Sans',sans-serif;fill:#24292f}.t{font-size:16px;font-weight:600}\
.s{fill:#57606a}.g{stroke:#d0d7de}.l{stroke:#8c959f;stroke-width:2}.f{fill:#fff;stroke:#d0d7de}\
.a{fill:#0969da}.b{fill:#bc4c00}path.a{fill:none;stroke:#0969da;stroke-width:2.5}path.b{fill:none;stroke:#bc4c00;stroke-width:2.5}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#8b949e}.g{stroke:#30363d}.l{stroke:#6e7681}.f{fill:#0d1117;stroke:#30363d}\
.a{fill:#79c0ff}.b{fill:#ffa657}path.a{stroke:#79c0ff}path.b{stroke:#ffa657}}";

/// The rows of a plot: block and row of the page, and what the plot calls it.
type Rows = &'static [(&'static str, &'static str, &'static str)];

const TIMES: Rows = &[
    ("gpu", "process start to Register, median", "start to Register"),
    ("gpu", "process start to the first list with devices, median", "start to the first list"),
    ("gpu", "GPU added or removed to new list, median", "GPU comes or goes to new list"),
    ("gpu", "kubelet.sock made anew to Register, p99", "kubelet restarts to Register, p99"),
    ("gpu", "Allocate with CDI, p50", "Allocate"),
    ("webhook", "time of an answer about one, median", "SGX webhook answers"),
    ("operator", "time until the object says so, median", "operator: object says what changed"),
];

const MEMORY: Rows = &[
    ("gpu", "peak memory (RSS), 8 GPUs", "GPU plugin, 8 GPUs"),
    ("gpu", "peak memory (RSS), 10,000 shared devices", "GPU plugin, 10,000 shares"),
    ("webhook", "peak memory (RSS)", "SGX webhook under load"),
    ("operator", "peak memory (RSS)", "operator, 5,000 nodes"),
];

/// Files and their content. The distribution is only there after the part that has samples of it.
pub(super) fn all(page: &Page, samples: &str) -> Vec<(&'static str, String)> {
    let mut plots = vec![
        (
            "bench-times.svg",
            pairs(
                "Time until it is done",
                "milliseconds on a logarithmic scale, medians where not said; shorter is better",
                &rows(page, TIMES),
            ),
        ),
        (
            "bench-memory.svg",
            pairs(
                "Peak memory (RSS)",
                "megabytes on a logarithmic scale; less is better",
                &rows(page, MEMORY),
            ),
        ),
    ];
    let series: Vec<(&str, Vec<f64>)> = samples.lines().filter_map(read).collect();
    if !series.is_empty() {
        plots.push(("bench-allocate.svg", distribution(&series)));
    }
    plots
}

/// `NAME VALUE VALUE ...`, sorted.
fn read(line: &str) -> Option<(&str, Vec<f64>)> {
    let (name, values) = line.split_once(' ')?;
    let mut values: Vec<f64> = values.split(' ').filter_map(|value| value.parse().ok()).collect();
    values.sort_by(f64::total_cmp);
    (!values.is_empty()).then_some((name, values))
}

/// A row of a plot.
struct Pair {
    name: &'static str,
    here: f64,
    reference: Option<f64>,
}

fn rows(page: &Page, rows: Rows) -> Vec<Pair> {
    let number = |cell: &str| cell.split(' ').next()?.parse::<f64>().ok().filter(|number| *number > 0.0);
    let pair = |(block, row, name): &(&str, &str, &'static str)| {
        let cells = page.row(block, row).ok()?;
        Some(Pair {
            name,
            here: number(cells.get(1)?)?,
            reference: cells.get(2).and_then(|cell| number(cell)),
        })
    };
    rows.iter().filter_map(pair).collect()
}

/// From a value to a place on the page, where each power of ten is as wide.
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    /// Of whole powers of ten.
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min).log10().floor();
        Self { least, most: values.fold(0.0, f64::max).log10().ceil().max(least + 1.0) }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (value.log10() - self.least) / (self.most - self.least) * (WIDTH - LEFT - RIGHT)
    }

    /// Lines and numbers of the powers.
    fn grid(&self, svg: &mut String, bottom: f64) {
        // Few powers leave room for numbers between them.
        let steps: &[f64] = if self.most - self.least > 2.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let mut power = self.least;
        while power <= self.most {
            for step in steps.iter().filter(|step| power < self.most || **step <= 1.0) {
                let value = step * 10_f64.powf(power);
                let x = self.x(value);
                *svg += &format!(
                    "<line class=\"g\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom:.1}\"/>\n"
                );
                text(svg, "s", "middle", x, bottom + 18.0, &shown(value));
            }
            power += 1.0;
        }
    }
}

/// Two dots a row, and a line between them.
fn pairs(title: &str, unit: &str, rows: &[Pair]) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a few rows")]
    let bottom = TOP + rows.len() as f64 * ROW;
    let mut svg = begin(title, unit, bottom + BOTTOM);
    let scale = Scale::of(rows.iter().flat_map(|row| [Some(row.here), row.reference]).flatten());
    scale.grid(&mut svg, bottom);
    let mut y = TOP + ROW / 2.0;
    for Pair { name, here, reference } in rows {
        text(&mut svg, "", "end", LEFT - 44.0, y + 4.5, name);
        let dot = |class: &str, value: f64, is_left: bool| {
            let x = scale.x(value);
            let (anchor, at) = if is_left { ("end", x - 10.0) } else { ("start", x + 10.0) };
            let mut dot = format!("<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5.5\"/>\n");
            text(&mut dot, class, anchor, at, y + 4.5, &shown(value));
            dot
        };
        match reference {
            None => svg += &dot("a", *here, false),
            Some(reference) => {
                let (a, b) = (dot("a", *here, here <= reference), dot("b", *reference, here > reference));
                let (from, to) = (scale.x(*here), scale.x(*reference));
                svg += &format!(
                    "<line class=\"l\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\n{a}{b}"
                );
            }
        }
        y += ROW;
    }
    svg + "</svg>\n"
}

/// How many of all calls were answered within which time.
fn distribution(series: &[(&str, Vec<f64>)]) -> String {
    const HEIGHT: f64 = 260.0;
    let bottom = TOP + HEIGHT;
    let mut svg = begin(
        "Allocate, with CDI",
        "milliseconds until the answer, on a logarithmic scale; percent of calls answered by then",
        bottom + BOTTOM,
    );
    let scale = Scale::of(series.iter().flat_map(|(_, values)| values.iter().copied()));
    scale.grid(&mut svg, bottom);
    for percent in [0, 50, 100] {
        let y = bottom - f64::from(percent) / 100.0 * HEIGHT;
        svg += &format!(
            "<line class=\"g\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\n",
            WIDTH - RIGHT
        );
        text(&mut svg, "s", "end", LEFT - 10.0, y + 4.5, &format!("{percent} %"));
    }
    for (line, (name, values)) in (0..).zip(series) {
        let class = if *name == "here" { "a" } else { "b" };
        let mut path = String::new();
        for step in 0..=400 {
            let share = f64::from(step) / 400.0;
            let command = if step == 0 { 'M' } else { 'L' };
            path += &format!("{command}{:.1} {:.1}", scale.x(at(values, share)), bottom - share * HEIGHT);
        }
        svg += &format!("<path class=\"{class}\" d=\"{path}\"/>\n");
        let said = format!("median {}, p99 {} ms", shown(at(values, 0.5)), shown(at(values, 0.99)));
        text(&mut svg, class, "start", 20.0, TOP + 90.0 + 44.0 * f64::from(line), whose(name));
        text(&mut svg, class, "start", 20.0, TOP + 108.0 + 44.0 * f64::from(line), &said);
    }
    svg + "</svg>\n"
}

/// Of sorted values, the one that this share of all is not above.
fn at(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank"
    )]
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

fn whose(name: &str) -> &str {
    if name == "here" { "this project" } else { "Go implementation" }
}

fn begin(title: &str, unit: &str, height: f64) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\"><title>{title}: {unit}</title><style>{STYLE}</style>\n\
         <rect class=\"f\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        WIDTH - 1.0,
        height - 1.0
    );
    text(&mut svg, "t", "start", 20.0, 30.0, title);
    text(&mut svg, "s", "start", 20.0, 50.0, unit);
    for (class, name, x) in [("a", "here", 500.0), ("b", "Go", 610.0)] {
        svg += &format!("<circle class=\"{class}\" cx=\"{x}\" cy=\"25.5\" r=\"5.5\"/>\n");
        text(&mut svg, class, "start", x + 12.0, 30.0, whose(name));
    }
    svg
}

fn text(svg: &mut String, class: &str, anchor: &str, x: f64, y: f64, text: &str) {
    *svg += &format!(
        "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>\n"
    );
}

/// As tables have it, without digits that say nothing.
fn shown(value: f64) -> String {
    let digits = match value {
        value if value >= 10.0 => 0,
        value if value >= 1.0 => 1,
        value if value >= 0.1 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_where_their_values_are() {
        let rows = [
            Pair { name: "fast", here: 1.0, reference: Some(100.0) },
            Pair { name: "alone", here: 10.0, reference: None },
        ];
        let svg = pairs("Title", "unit", &rows);
        let width = WIDTH - LEFT - RIGHT;
        for (class, share, y) in [("a", 0.0, 91.0), ("b", 1.0, 91.0), ("a", 0.5, 125.0)] {
            let dot = format!("<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{y:.1}\"", LEFT + share * width);
            assert!(svg.contains(&dot), "{dot}: {svg}");
        }
        assert!(svg.contains(">100</text>") && svg.contains(">alone</text>"), "{svg}");
    }

    #[test]
    fn samples_are_sorted_and_counted() {
        let (name, values) = read("here 0.3 0.1 0.2").unwrap();
        assert_eq!(
            (name, at(&values, 0.5).to_string(), at(&values, 1.0).to_string()),
            ("here", "0.2".into(), "0.3".into())
        );
        assert!(read("here").is_none() && read("here x").is_none());
        let svg = distribution(&[(name, values)]);
        assert!(svg.contains("median 0.2, p99 0.3 ms") && svg.contains("<path class=\"a\""), "{svg}");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([1000.0, 13.3, 4.0, 0.145, 0.01].map(shown), ["1000", "13", "4", "0.14", "0.01"]);
    }
}
