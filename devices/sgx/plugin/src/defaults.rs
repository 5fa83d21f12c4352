//! How often each device is offered when no flag says so: enough for every pod that a node may have.

use std::env;

use crate::options::MAX_UNITS;

/// The kubelet's own default limit of pods on a node.
const PODS: u64 = 110;
const VARIABLE: &str = "PODS_PER_CORE";

/// The default for this process, and what was wrong with the environment.
pub(crate) fn of_this_machine() -> (u64, Option<String>) {
    let pods_per_core = env::var_os(VARIABLE).map(|value| value.to_string_lossy().into_owned());
    of(pods_per_core.as_deref(), processors())
}

fn of(pods_per_core: Option<&str>, processors: u64) -> (u64, Option<String>) {
    let Some(value) = pods_per_core.filter(|value| !value.is_empty()) else { return (PODS, None) };
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    let Some(pods) = is_number.then(|| value.parse::<u32>().ok()).flatten() else {
        let wrong =
            format!("{VARIABLE} is {value:?}, not a number of pods: {PODS} of each device are offered");
        return (PODS, Some(wrong));
    };
    let units = u64::from(pods) * processors;
    if units > MAX_UNITS {
        let many = format!(
            "{VARIABLE} is {pods}, which for {processors} processors is more than {MAX_UNITS}: so many of each device are \
             offered"
        );
        return (MAX_UNITS, Some(many));
    }
    (units, None)
}

/// The logical processors that this process may run on, as the Go runtime counts them: whatever a control group's quota
/// says, which [`std::thread::available_parallelism`] looks at.
fn processors() -> u64 {
    let set = rustix::thread::sched_getaffinity(None);
    set.map_or(1, |set| u64::from(set.count()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_per_core_multiplies_with_the_processors() {
        assert_eq!(of(None, 5), (110, None));
        assert_eq!(of(Some(""), 5), (110, None));
        assert_eq!(of(Some("2200"), 5), (11_000, None));
        assert_eq!(of(Some("10"), 224), (2240, None));
        assert_eq!(of(Some("0"), 5), (0, None));
        assert!(processors() >= 1);
    }

    #[test]
    fn what_is_no_number_is_said_and_ignored() {
        for bad in ["foobar", "-1", "+1", "0x10", " 10", "10 ", "4294967296"] {
            let (units, warning) = of(Some(bad), 5);
            assert_eq!(units, 110, "{bad}");
            assert!(
                warning.unwrap().starts_with(&format!("PODS_PER_CORE is {bad:?}, not a number")),
                "{bad}"
            );
        }
    }

    #[test]
    fn more_than_the_kubelet_takes_is_cut() {
        let (units, warning) = of(Some("4294967295"), 1024);
        assert_eq!(units, MAX_UNITS);
        assert!(warning.is_some());
    }
}
