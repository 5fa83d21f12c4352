//! When a GPU is too hot, and when it has cooled.

use super::Trouble;
use crate::Limits;

/// What one GPU's sensors show, in whole degrees Celsius; `None` of one that it does not have or that cannot be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Readings {
    pub(super) gpu: Option<i64>,
    /// Of the whole device.
    pub(super) global: Option<i64>,
    pub(super) memory: Option<i64>,
}

/// Which sensors of one GPU were above their limits and have not cooled yet.
#[derive(Debug, Default)]
pub(super) struct Heat([bool; 3]);

impl Heat {
    /// What is wrong with these readings. A GPU that was too hot must have cooled below the limits, by all its sensors; a
    /// sensor that cannot be read says neither that it is too hot nor that it has cooled.
    pub(super) fn judge(&mut self, readings: Readings, limits: Limits) -> Option<Trouble> {
        let was_hot = self.0.contains(&true);
        let sensors = [
            ("GPU", readings.gpu, limits.gpu, "-gpu-temp-limit"),
            ("device", readings.global, limits.global, "-temp-limit"),
            ("memory", readings.memory, limits.memory, "-memory-temp-limit"),
        ];
        let mut trouble = None;
        for (is_hot, (sensor, reading, limit, flag)) in self.0.iter_mut().zip(sensors) {
            let cool = limit.saturating_sub(limits.hysteresis);
            *is_hot = reading.map_or(*is_hot, |reading| reading > if was_hot { cool } else { limit });
            if !*is_hot || trouble.is_some() {
                continue;
            }
            let (kind, state) = match reading {
                Some(reading) if reading > limit => {
                    ("", format!("{reading} °C is above the limit of {limit} °C ({flag})"))
                }
                Some(reading) => ("", format!("{reading} °C is near the limit of {limit} °C ({flag})")),
                None => (
                    " unread",
                    format!("cannot be read, and was too near the limit of {limit} °C ({flag}) before"),
                ),
            };
            let reason = format!("{sensor} temperature {state}; well again at {cool} °C");
            trouble = Some(Trouble::new(format!("{sensor} temperature{kind}"), reason));
        }
        trouble
    }
}

/// A reading of a sidecar in whole degrees, as the Go implementation compares. What no sensor can show stands for one that
/// cannot be read: the sidecar says -999 then.
pub(super) fn degrees(reading: f64) -> Option<i64> {
    const ABSOLUTE_ZERO: f64 = -273.15;
    #[expect(clippy::cast_possible_truncation, reason = "whole degrees are meant")]
    (reading.is_finite() && reading >= ABSOLUTE_ZERO).then_some(reading as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { global: 80, gpu: 90, memory: 95, hysteresis: 5 };

    /// What is said of a GPU that shows these, one look after another, by each look's GPU, device and memory sensor.
    fn hot(limits: Limits, looks: &[[Option<i64>; 3]]) -> Vec<bool> {
        let mut heat = Heat::default();
        let look = |&[gpu, global, memory]: &[Option<i64>; 3]| {
            heat.judge(Readings { gpu, global, memory }, limits).is_some()
        };
        looks.iter().map(look).collect()
    }

    fn gpu(degrees: &[i64]) -> Vec<[Option<i64>; 3]> {
        degrees.iter().map(|degrees| [Some(*degrees), Some(50), Some(50)]).collect()
    }

    #[test]
    fn a_gpu_that_was_too_hot_must_cool_below_the_limit() {
        let looks = gpu(&[90, 91, 90, 86, 85, 86, 90, 91]);
        assert_eq!(hot(LIMITS, &looks), [false, true, true, true, false, false, false, true]);
    }

    #[test]
    fn without_hysteresis_the_limit_is_enough() {
        let limits = Limits { hysteresis: 0, ..LIMITS };
        assert_eq!(hot(limits, &gpu(&[91, 90, 91, 90])), [true, false, true, false]);
    }

    #[test]
    fn all_its_sensors_must_have_cooled() {
        let looks = [
            [Some(91), Some(80), Some(95)],
            [Some(60), Some(76), Some(90)],
            [Some(60), Some(75), Some(91)],
            [Some(60), Some(75), Some(90)],
        ];
        assert_eq!(hot(LIMITS, &looks), [true, true, true, false]);
    }

    #[test]
    fn a_sensor_that_cannot_be_read_leaves_the_last_state() {
        let cool = [Some(50), Some(50), Some(50)];
        let unread = [None, Some(50), Some(50)];
        let hot_gpu = [Some(91), Some(50), Some(50)];
        assert_eq!(
            hot(LIMITS, &[unread, hot_gpu, unread, [None; 3], unread, cool, unread]),
            [false, true, true, true, true, false, false]
        );
    }

    #[test]
    fn a_sensor_that_a_gpu_does_not_have_keeps_it_from_nothing() {
        let looks = [[Some(91), None, None], [Some(85), None, None]];
        assert_eq!(hot(LIMITS, &looks), [true, false]);
    }

    #[test]
    fn the_reason_names_the_sensor_and_the_way_out() {
        let mut heat = Heat::default();
        let mut reason =
            |gpu, memory| heat.judge(Readings { gpu, global: Some(50), memory }, LIMITS).unwrap().reason;
        assert_eq!(
            reason(Some(93), Some(96)),
            "GPU temperature 93 °C is above the limit of 90 °C (-gpu-temp-limit); well again at 85 °C"
        );
        assert_eq!(
            reason(Some(60), Some(93)),
            "memory temperature 93 °C is near the limit of 95 °C (-memory-temp-limit); well again at 90 °C"
        );
        assert_eq!(
            reason(Some(60), None),
            "memory temperature cannot be read, and was too near the limit of 95 °C (-memory-temp-limit) before; \
             well again at 90 °C"
        );
    }

    #[test]
    fn figures_are_no_news_but_a_sensor_that_cannot_be_read_is() {
        let mut heat = Heat::default();
        let kinds = [Some(91), Some(120), Some(86), None]
            .map(|gpu| heat.judge(Readings { gpu, global: None, memory: None }, LIMITS).unwrap().kind);
        assert!(kinds[0] == kinds[1] && kinds[1] == kinds[2] && kinds[2] != kinds[3], "{kinds:?}");
    }

    #[test]
    fn what_no_sensor_can_show_is_no_reading() {
        assert_eq!(degrees(90.9), Some(90));
        assert_eq!(degrees(-40.0), Some(-40));
        for reading in [-999.0, -273.2, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(degrees(reading), None, "{reading}");
        }
    }

    #[test]
    fn limits_of_any_size_do_no_harm() {
        let limits = Limits { gpu: i64::MIN, global: i64::MAX, memory: 0, hysteresis: 100 };
        assert_eq!(hot(limits, &gpu(&[i64::MIN, i64::MAX])), [true, true]);
    }
}
