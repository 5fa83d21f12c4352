use super::*;

const CARD: PciAddress = PciAddress { domain: 0, bus: 3, device: 0, function: 0 };
const OTHER: PciAddress = PciAddress { domain: 0, bus: 4, device: 0, function: 0 };

/// One GPU and a clock.
struct Patient {
    damping: Damping,
    now: Instant,
    next: Option<Instant>,
}

impl Patient {
    fn new() -> Self {
        Self { damping: Damping::default(), now: Instant::now(), next: None }
    }

    /// One that has failed so many times.
    fn failed(times: u32) -> Self {
        let mut patient = Self::new();
        for _ in 0..times {
            patient.fail();
            patient.is_well();
        }
        patient
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn judge(&mut self, said: Verdict) -> Verdict {
        let (verdicts, next) = self.damping.judge(&[(CARD, said)].into(), self.now);
        self.next = next;
        verdicts[&CARD].clone()
    }

    /// Whether it is believed to be well when the source says so.
    fn is_well(&mut self) -> bool {
        self.judge(Verdict::Healthy) == Verdict::Healthy
    }

    /// Fails for five seconds.
    fn fail(&mut self) {
        assert_eq!(self.judge(hot(105)), hot(105), "a failure is believed at once");
        assert_eq!(self.next, None);
        self.pass(5);
    }

    /// How many seconds pass from the recovery that was just said until it is believed.
    fn watched(&mut self) -> u64 {
        assert!(!self.is_well());
        let end = self.next.unwrap();
        let time = end - self.now;
        self.now = end.checked_sub(Duration::from_millis(1)).unwrap();
        assert!(!self.is_well(), "until the last moment");
        self.now = end;
        assert!(self.is_well());
        assert_eq!(self.next, None);
        time.as_secs()
    }
}

fn hot(degrees: i32) -> Verdict {
    Verdict::Unhealthy(Trouble::new("GPU temperature", format!("GPU temperature {degrees} °C")))
}

#[test]
fn the_first_two_recoveries_are_believed_at_once() {
    let mut patient = Patient::new();
    assert!(patient.is_well());
    for _ in 0..2 {
        patient.fail();
        assert!(patient.is_well());
        assert_eq!(patient.next, None);
    }
}

#[test]
fn from_the_third_failure_on_a_recovery_is_watched_twice_as_long_each_time() {
    let mut patient = Patient::failed(2);
    let mut times = Vec::new();
    for _ in 0..6 {
        patient.fail();
        times.push(patient.watched());
        patient.pass(599);
    }
    assert_eq!(times, [60, 120, 240, 480, 600, 600]);
}

#[test]
fn ten_good_minutes_make_a_clean_record() {
    let mut patient = Patient::failed(2);
    patient.fail();
    patient.watched();
    patient.pass(600);
    for _ in 0..2 {
        patient.fail();
        assert!(patient.is_well());
    }
    patient.fail();
    assert_eq!(patient.watched(), 60);
}

#[test]
fn ten_bad_minutes_do_not() {
    let mut patient = Patient::failed(2);
    patient.fail();
    patient.pass(3600);
    assert_eq!(patient.watched(), 60);
}

#[test]
fn a_failure_while_it_is_watched_counts_and_shows_its_own_reason() {
    let mut patient = Patient::failed(3);
    let watched = patient.judge(Verdict::Healthy);
    let reason = "well again, but watched for 1 min, since it failed 3 times at short intervals; last: GPU temperature 105 °C";
    assert_eq!(watched, Verdict::Unhealthy(Trouble::new("watched", reason)));
    patient.pass(30);
    assert_eq!(patient.judge(Verdict::Healthy), watched, "what is left of the time is no news");
    patient.fail();
    assert_eq!(patient.watched(), 120);
}

#[test]
fn no_number_of_failures_is_too_many() {
    let mut patient = Patient::failed(5000);
    assert!(!patient.is_well());
    patient.fail();
    assert_eq!(patient.watched(), 600);
}

#[test]
fn a_temperature_that_rises_on_is_no_news_but_another_trouble_is() {
    let mut patient = Patient::new();
    assert_eq!(patient.judge(hot(105)), hot(105));
    assert_eq!(patient.judge(hot(106)), hot(105));
    let memory = Verdict::Unhealthy(Trouble::new("memory", "bad memory"));
    assert_eq!(patient.judge(memory.clone()), memory);
    assert_eq!(patient.judge(hot(107)), hot(107));
    assert!(patient.is_well(), "this was one failure, not three");
}

#[test]
fn a_gpu_that_is_away_is_as_it_was_last_until_it_is_asked_about_and_one_that_is_gone_is_forgotten() {
    let mut patient = Patient::failed(3);
    let watched = patient.judge(Verdict::Healthy);
    let other = Verdicts::from([(OTHER, Verdict::Healthy)]);
    let (verdicts, next) = patient.damping.judge(&other, patient.now);
    assert_eq!((&verdicts[&CARD], next), (&watched, patient.next));
    assert!(!patient.is_well());
    patient.pass(60 + 600);
    assert_eq!(patient.damping.judge(&other, patient.now), (other.clone(), None));
    assert_eq!(patient.damping.0.keys().collect::<Vec<_>>(), [&OTHER]);
    patient.fail();
    patient.pass(3600);
    let (verdicts, _) = patient.damping.judge(&other, patient.now);
    assert_eq!(verdicts[&CARD], hot(105), "nobody has said that it is well");
}

#[test]
fn the_next_change_is_that_of_the_gpu_that_is_watched_for_the_shortest_time() {
    let well = || Verdicts::from([(CARD, Verdict::Healthy), (OTHER, Verdict::Healthy)]);
    let mut damping = Damping::default();
    let start = Instant::now();
    for failed in [&[CARD, OTHER][..], &[CARD, OTHER], &[CARD, OTHER], &[CARD]] {
        let mut said = well();
        said.extend(failed.iter().map(|card| (*card, hot(105))));
        damping.judge(&said, start);
        damping.judge(&well(), start);
    }
    let (verdicts, next) = damping.judge(&well(), start);
    assert!(verdicts.values().all(|verdict| *verdict != Verdict::Healthy));
    assert_eq!(next, Some(start + Duration::from_mins(1)));
    let (verdicts, next) = damping.judge(&well(), next.unwrap());
    assert_eq!((verdicts[&CARD] == Verdict::Healthy, verdicts[&OTHER] == Verdict::Healthy), (false, true));
    assert_eq!(next, Some(start + Duration::from_mins(2)));
}
