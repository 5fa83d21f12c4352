//! How busy NPUs are, by all their programs together. Of each program the driver tells only the memory.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use host::{Host, PciFunction};

/// What is told.
pub(super) const PERCENT: &str = "percent of the whole NPU";

const CLASS: &str = "/sys/class/accel";

/// The microseconds in which each NPU had work so far, by its PCI function, and when that was read. The counter is
/// `npu_busy_time_us` (`drivers/accel/ivpu/ivpu_sysfs.c`, since Linux 6.11; to be read about once a second).
#[derive(Debug, Default)]
pub(super) struct Busy(BTreeMap<String, (Instant, u64)>);

impl Busy {
    pub(super) fn take(host: &Host) -> Self {
        let busy = |name: String| {
            let device = format!("{CLASS}/{name}/device");
            let busy = host.parse(format!("{device}/npu_busy_time_us"), "microseconds").ok()?;
            Some((PciFunction::of(host, device).ok()?.address().to_string(), (Instant::now(), busy)))
        };
        Self(host.names(CLASS).unwrap_or_default().into_iter().filter_map(busy).collect())
    }

    /// The part of the time since `before` that the NPU had work; `None` if the driver does not tell.
    pub(super) fn percent(&self, before: &Self, function: &str) -> Option<u64> {
        let (at, busy) = self.0.get(function)?;
        let (former, busy_before) = before.0.get(function)?;
        let busy = Duration::from_micros(busy.saturating_sub(*busy_before)).as_nanos();
        let percent = (busy * 100).checked_div(at.duration_since(*former).as_nanos())?;
        // The clock of the counter is read a little later than this one, or earlier.
        u64::try_from(percent.min(100)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_npu_is_as_busy_as_its_counter_moved_in_the_time_that_passed() {
        let start = Instant::now();
        let at = |seconds, busy| {
            let read = (start + Duration::from_secs(seconds), busy);
            Busy(BTreeMap::from([("0000:00:0b.0".to_owned(), read)]))
        };
        let percent = |before: u64, after: u64| at(2, after).percent(&at(0, before), "0000:00:0b.0");
        assert_eq!(percent(7, 500_007), Some(25));
        assert_eq!(percent(7, 7), Some(0));
        // Rounding, and a driver that was loaded again.
        assert_eq!(percent(0, u64::MAX), Some(100));
        assert_eq!(percent(7, 3), Some(0));
        // Another NPU, and no time at all.
        assert_eq!(at(2, 9).percent(&at(0, 0), "0000:00:0c.0"), None);
        assert_eq!(at(0, 9).percent(&at(0, 0), "0000:00:0b.0"), None);
    }
}
