//! Figures of many runs, and the table that shows them.

/// Values of one kind, in any order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// All on one line, for plots.
    pub(crate) fn line(&self) -> String {
        self.0.iter().map(|value| format!("{value:.4}")).collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value that `percent` of all are not above (nearest rank).
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank"
        )]
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(f64::NAN)
    }
}

/// A promise.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bar {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    /// The project's promise, if there is one.
    pub(crate) bar: Option<Bar>,
    pub(crate) ours: f64,
    pub(crate) reference: Option<f64>,
}

/// The table in Markdown; without the Go implementation where nothing was measured of it.
pub(crate) fn table(figures: &[Figure]) -> String {
    let is_compared = figures.iter().any(|figure| figure.reference.is_some());
    let mut text = if is_compared {
        String::from("| figure | bar | here | Go implementation | ratio |\n|---|---|---|---|---|\n")
    } else {
        String::from("| figure | bar | here |\n|---|---|---|\n")
    };
    for figure in figures {
        let Figure { what, unit, bar, ours, reference } = figure;
        let value = |value: f64| format!("{} {unit}", number(value)).trim_end().to_owned();
        let bar_text = match bar {
            None => String::new(),
            Some(Bar::AtMost(bar)) => format!("≤ {}", value(*bar)),
            Some(Bar::AtLeast(bar)) => format!("≥ {}", value(*bar)),
        };
        let is_missed = match bar {
            None => false,
            Some(Bar::AtMost(bar)) => ours > bar,
            Some(Bar::AtLeast(bar)) => ours < bar,
        };
        let mark = if is_missed { " **missed**" } else { "" };
        text += &format!("| {what} | {bar_text} | {}{mark} |", value(*ours));
        if is_compared {
            let reference_text = reference.map_or_else(|| "-".to_owned(), value);
            // More is better of what is counted in a second, and worse of time and memory.
            let ratio = match reference.filter(|reference| *ours > 0.0 && *reference > 0.0) {
                None => String::new(),
                Some(reference) if *unit == "/s" => format!("{}×", number(ours / reference)),
                Some(reference) => format!("{}×", number(reference / ours)),
            };
            text += &format!(" {reference_text} | {ratio} |");
        }
        text.push('\n');
    }
    text
}

/// Three significant digits are all that such figures carry.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let mut samples = Samples::default();
        for value in (1..=100).rev() {
            samples.add(f64::from(value));
        }
        let found = [0.0, 50.0, 99.0, 100.0].map(|percent| samples.percentile(percent).to_string());
        assert_eq!(found, ["1", "50", "99", "100"]);
        assert!(Samples::default().percentile(50.0).is_nan());
    }

    #[test]
    fn the_table_marks_what_missed_its_bar() {
        let figures = [
            Figure {
                what: "start",
                unit: "ms",
                bar: Some(Bar::AtMost(15.0)),
                ours: 4.25,
                reference: Some(1015.0),
            },
            Figure { what: "size", unit: "MB", bar: Some(Bar::AtMost(4.0)), ours: 5.0, reference: None },
            Figure {
                what: "rate",
                unit: "/s",
                bar: Some(Bar::AtLeast(20.0)),
                ours: 10.0,
                reference: Some(5.0),
            },
            Figure { what: "flow", unit: "/s", bar: None, ours: 10.0, reference: Some(5.0) },
        ];
        let table = table(&figures);
        assert!(table.contains("| start | ≤ 15.0 ms | 4.25 ms | 1015 ms | 239× |"), "{table}");
        assert!(table.contains("| size | ≤ 4.00 MB | 5.00 MB **missed** | - |  |"), "{table}");
        assert!(table.contains("| flow |  | 10.0 /s | 5.00 /s | 2.00× |"), "{table}");
        assert!(table.contains("| rate | ≥ 20.0 /s | 10.0 /s **missed** | 5.00 /s | 2.00× |"), "{table}");
    }

    #[test]
    fn what_was_not_compared_has_no_columns_for_it() {
        let lists =
            Figure { what: "lists", unit: "", bar: Some(Bar::AtMost(0.0)), ours: 0.0, reference: None };
        let expected = "| figure | bar | here |\n|---|---|---|\n| lists | ≤ 0 | 0 |\n";
        assert_eq!(table(&[lists]), expected);
    }
}
