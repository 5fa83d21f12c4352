//! What an operator says of itself on `/metrics`, under the names of controller-runtime.

use std::collections::BTreeMap;

use super::Outcome;

const ROUNDS: &str = "controller_runtime_reconcile_time_seconds";

/// How long rounds took, of all controllers together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rounds {
    /// By a bucket's upper bound in microseconds: how many rounds were not longer.
    within: BTreeMap<u64, f64>,
    /// How many controllers had one.
    pub(crate) controllers: usize,
}

impl Rounds {
    /// Reads the page.
    pub(crate) fn of(page: &str) -> Outcome<Self> {
        let mut rounds = Self::default();
        for line in page.lines().filter_map(|line| line.strip_prefix(ROUNDS)) {
            let value = |text: &str| text.parse::<f64>().map_err(|error| format!("{ROUNDS}{line}: {error}"));
            let (sample, count) = line.rsplit_once(' ').ok_or("a sample has no value")?;
            let count = value(count)?;
            if sample.starts_with("_count") {
                rounds.controllers += usize::from(count > 0.0);
            }
            let bound = sample.strip_prefix("_bucket").and_then(|labels| labels.split_once("le=\""));
            if let Some((bound, _)) = bound.and_then(|(_, rest)| rest.split_once('"')) {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "infinity is the most"
                )]
                let bound = (value(bound)? * 1e6).round() as u64;
                *rounds.within.entry(bound).or_default() += count;
            }
        }
        Ok(rounds)
    }

    /// Those that came after `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let before = |bound| earlier.within.get(bound).copied().unwrap_or(0.0);
        let within = self.within.iter().map(|(bound, count)| (*bound, count - before(bound))).collect();
        Self { within, controllers: self.controllers }
    }

    /// How many there were.
    pub(crate) fn count(&self) -> f64 {
        self.within.last_key_value().map_or(0.0, |(_, count)| *count)
    }

    /// The bound, in milliseconds, of the bucket that has the last of so many percent; not a number when there were none.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let least = percent / 100.0 * self.count();
        let bucket = self.within.iter().find(|(_, count)| **count > 0.0 && **count >= least);
        #[expect(clippy::cast_precision_loss, reason = "microseconds of a bucket")]
        bucket.map_or(
            f64::NAN,
            |(bound, _)| if *bound == u64::MAX { f64::INFINITY } else { *bound as f64 / 1e3 },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(counts: [u32; 3]) -> String {
        let [first, second, all] = counts;
        let bucket = |controller: &str, bound: &str, count: u32| {
            format!("{ROUNDS}_bucket{{controller=\"{controller}\",le=\"{bound}\"}} {count}\n")
        };
        bucket("a", "0.005", first)
            + &bucket("a", "0.05", second)
            + &bucket("a", "+Inf", all)
            + &format!("{ROUNDS}_sum{{controller=\"a\"}} 0.7\n{ROUNDS}_count{{controller=\"a\"}} {all}\n")
            + &bucket("b", "0.005", 0)
            + &bucket("b", "0.05", 0)
            + &bucket("b", "+Inf", 0)
            + &format!("{ROUNDS}_count{{controller=\"b\"}} 0\nother_total 7\n")
    }

    #[test]
    fn a_percentile_is_the_bound_of_its_bucket() {
        let rounds = Rounds::of(&page([90, 99, 100])).unwrap();
        let found = [50.0, 90.0, 91.0, 99.0, 100.0].map(|percent| rounds.percentile(percent).to_string());
        assert_eq!(found, ["5", "5", "50", "50", "inf"]);
        assert_eq!((rounds.count().to_string().as_str(), rounds.controllers), ("100", 1));
    }

    #[test]
    fn rounds_of_a_while_are_those_that_came_since() {
        let (before, after) =
            (Rounds::of(&page([90, 99, 100])).unwrap(), Rounds::of(&page([90, 109, 110])).unwrap());
        let rounds = after.since(&before);
        assert_eq!([rounds.count(), rounds.percentile(1.0)].map(|it| it.to_string()), ["10", "50"]);
        assert!(after.since(&after).percentile(50.0).is_nan());
    }
}
