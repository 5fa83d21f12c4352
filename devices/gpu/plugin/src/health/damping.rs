//! What to believe of what a source says: each trouble at once, but not each recovery of a GPU that fails again and again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use host::PciAddress;

use super::{Trouble, Verdict, Verdicts};

/// A GPU that has been well for so long has a clean record.
const CLEAN: Duration = Duration::from_mins(10);
/// From so many failures on the record, a recovery is not believed at once.
const MANY: u32 = 3;
const FIRST_WATCH: Duration = Duration::from_mins(1);
const LONGEST_WATCH: Duration = Duration::from_mins(10);

/// The records of all GPUs.
#[derive(Debug, Default)]
pub(super) struct Damping(BTreeMap<PciAddress, Record>);

#[derive(Debug, Default)]
struct Record {
    /// What the source complains of, in the words that it had first: a temperature differs at each look, and that is no news.
    trouble: Option<Trouble>,
    failures: u32,
    /// From when on the last recovery is believed.
    well_from: Option<Instant>,
    /// What is said until then.
    watched: Option<Trouble>,
}

impl Damping {
    /// What to believe now that the source says this, and when that changes with nothing more said.
    ///
    /// A GPU that is reset goes away for a moment. When it is back, what was believed of it holds until it has been asked about.
    pub(super) fn judge(&mut self, said: &Verdicts, now: Instant) -> (Verdicts, Option<Instant>) {
        self.0.retain(|address, record| said.contains_key(address) || !record.is_clean(now));
        for (&address, verdict) in said {
            self.0.entry(address).or_default().hear(verdict, now);
        }
        let verdicts = self.0.iter_mut().map(|(address, record)| (*address, record.believed(now))).collect();
        let watched = self.0.values().filter(|record| record.watched.is_some());
        (verdicts, watched.filter_map(|record| record.well_from).min())
    }
}

impl Record {
    fn is_clean(&self, now: Instant) -> bool {
        self.trouble.is_none() && self.well_from.is_none_or(|from| now >= from + CLEAN)
    }

    fn hear(&mut self, said: &Verdict, now: Instant) {
        match said {
            Verdict::Unhealthy(trouble) => {
                if self.is_clean(now) {
                    self.failures = 0;
                }
                if self.trouble.is_none() {
                    self.failures = self.failures.saturating_add(1);
                }
                if self.trouble.as_ref().is_none_or(|former| former.kind != trouble.kind) {
                    self.trouble = Some(trouble.clone());
                }
                self.watched = None;
            }
            Verdict::Healthy => {
                if let Some(trouble) = self.trouble.take() {
                    let time = watch_time(self.failures);
                    self.well_from = Some(now + time);
                    self.watched = Some(watched(self.failures, time, &trouble));
                }
            }
        }
    }

    fn believed(&mut self, now: Instant) -> Verdict {
        if self.well_from.is_none_or(|from| from <= now) {
            self.watched = None;
        }
        let believed = self.trouble.as_ref().or(self.watched.as_ref());
        believed.map_or(Verdict::Healthy, |trouble| Verdict::Unhealthy(trouble.clone()))
    }
}

/// How long a GPU with so many failures on its record is not believed to be well again.
fn watch_time(failures: u32) -> Duration {
    let doublings = failures.checked_sub(MANY);
    doublings.map_or(Duration::ZERO, |doublings| {
        FIRST_WATCH.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_WATCH)
    })
}

fn watched(failures: u32, time: Duration, last: &Trouble) -> Trouble {
    let minutes = time.as_secs() / 60;
    let reason = format!(
        "well again, but watched for {minutes} min, since it failed {failures} times at short intervals; last: {}",
        last.reason
    );
    Trouble::new("watched", reason)
}

#[cfg(test)]
mod tests;
