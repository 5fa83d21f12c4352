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
    match rustix::thread::sched_getaffinity(None) {
        Ok(set) => set.count().into(),
        // The kernel has room for more than 1024.
        Err(_) => std::thread::available_parallelism().map_or(1, |number| number.get() as u64),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_number_of_pods_is_multiplied_and_cut(pods in prop_oneof![0..2000_u32, any::<u32>()], processors in 1_u64..1024) {
            let (units, warning) = of(Some(&pods.to_string()), processors);
            let product = u64::from(pods) * processors;
            prop_assert_eq!(units, product.min(MAX_UNITS));
            prop_assert_eq!(warning.is_some(), product > MAX_UNITS);
        }

        #[test]
        fn any_other_text_is_said_and_ignored(text in "[^0-9]\\PC{0,20}|\\PC{0,20}[^0-9]", processors in 1_u64..4096) {
            let (units, warning) = of(Some(&text), processors);
            prop_assert_eq!(units, PODS);
            prop_assert!(warning.unwrap().contains("not a number"));
        }
    }

    #[test]
    fn pods_per_core_multiplies_with_the_processors() {
        assert_eq!(of(None, 5), (110, None));
        assert_eq!(of(Some(""), 5), (110, None));
        assert_eq!(of(Some("2200"), 5), (11_000, None));
        assert_eq!(of(Some("10"), 224), (2240, None));
        assert_eq!(of(Some("0"), 5), (0, None));
    }

    #[test]
    fn processors_are_those_that_this_process_may_run_on() {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed:")).unwrap();
        let bits = mask.chars().filter_map(|digit| digit.to_digit(16)).map(u32::count_ones);
        assert_eq!(processors(), u64::from(bits.sum::<u32>()));
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
        let expected = "PODS_PER_CORE is 4294967295, which for 1024 processors is more than 100000";
        assert!(warning.unwrap().starts_with(expected));
        assert_eq!(of(Some("100000"), 1), (MAX_UNITS, None));
    }
}
