use super::*;
use crate::health::xpumd::api::{DeviceHealth, DeviceInformation, PciInfo};

const CARD: PciAddress = PciAddress { domain: 0, bus: 0x3a, device: 0, function: 0 };

fn device(bdf: &str, health: Vec<HealthStatus>) -> DeviceHealth {
    let pci = Some(PciInfo { bdf: bdf.to_owned(), ..PciInfo::default() });
    DeviceHealth { info: Some(DeviceInformation { pci, ..DeviceInformation::default() }), health }
}

fn status(severity: impl Into<i32>, name: &str) -> HealthStatus {
    HealthStatus {
        name: name.to_owned(),
        severity: severity.into(),
        reason: "threshold".to_owned(),
        message: "93 of 90".to_owned(),
    }
}

fn message(devices: Vec<DeviceHealth>) -> DeviceHealthResponse {
    DeviceHealthResponse { devices }
}

fn of_card(health: Vec<HealthStatus>) -> DeviceHealthResponse {
    message(vec![device("0000:3a:00.0", health)])
}

/// The reason for which a GPU of these severities is unhealthy.
fn reason(threshold: Severity, severities: &[i32]) -> Option<String> {
    let mut devices = Devices::new(threshold);
    devices.hear(of_card(severities.iter().map(|severity| status(*severity, "memory")).collect()));
    match devices.verdicts[&CARD].clone() {
        Verdict::Healthy => None,
        Verdict::Unhealthy(trouble) => Some(trouble.reason),
    }
}

#[test]
fn the_threshold_says_what_makes_a_gpu_unhealthy() {
    let is_healthy =
        |threshold| [-3, 0, 1, 2, 3, 4, 5, 17].map(|level| reason(threshold, &[level]).is_none());
    let (t, f) = (true, false);
    assert_eq!(is_healthy(Severity::Warning), [t, t, t, f, f, f, f, f]);
    assert_eq!(is_healthy(Severity::Critical), [t, t, t, t, f, f, f, f]);
    assert_eq!(is_healthy(Severity::Failed), [t, t, t, t, t, f, f, f]);
    assert_eq!(reason(Severity::Warning, &[]), None);
}

#[test]
fn the_reason_is_the_worst_that_is_said_in_whatever_order() {
    let reason = |severities: &[i32]| reason(Severity::Warning, severities).unwrap();
    assert_eq!(reason(&[3]), "XPU Manager reports memory: threshold: 93 of 90 (critical)");
    assert_eq!(reason(&[1, 3, 17, 2]), "XPU Manager reports memory: threshold: 93 of 90 (severity 17)");
    let mut devices = Devices::new(Severity::Critical);
    let mut verdict = |names: [&str; 2]| {
        devices.hear(of_card(names.map(|name| status(3, name)).into()));
        devices.verdicts[&CARD].clone()
    };
    assert_eq!(verdict(["fan", "memory"]), verdict(["memory", "fan"]));
}

#[test]
fn another_figure_in_the_message_is_the_same_trouble() {
    let mut devices = Devices::new(Severity::Critical);
    let mut kind = |change: fn(&mut HealthStatus)| {
        let mut status = status(3, "memory");
        change(&mut status);
        devices.hear(of_card(vec![status]));
        match devices.verdicts[&CARD].clone() {
            Verdict::Healthy => panic!("healthy"),
            Verdict::Unhealthy(trouble) => trouble.kind,
        }
    };
    let first = kind(|_| {});
    assert_eq!(first, kind(|status| status.message = "94 of 90".to_owned()));
    assert_ne!(first, kind(|status| status.severity = 4));
    assert_ne!(first, kind(|status| status.name = "memory 2".to_owned()));
}

#[test]
fn a_warning_below_the_threshold_is_told_of_once_when_it_comes_and_once_when_it_goes() {
    let line = "0000:3a:00.0: XPU Manager reports ECC: threshold: 93 of 90 (warning)".to_owned();
    let mut devices = Devices::new(Severity::Critical);
    let with = || of_card(vec![status(2, "ECC"), status(1, "fan")]);
    assert_eq!(devices.hear(with()), News { warnings: vec![line.clone()], gone: Vec::new() });
    let mut changed = with();
    changed.devices[0].health[0].message = "94 of 90".to_owned();
    assert_eq!(devices.hear(changed), News::default());
    assert_eq!(devices.hear(message(Vec::new())), News::default(), "nothing is said of the device");
    assert_eq!(devices.verdicts[&CARD], Verdict::Healthy);
    let gone = devices.hear(of_card(Vec::new()));
    assert_eq!((gone.warnings, gone.gone.len()), (Vec::new(), 1));
    assert_eq!(devices.hear(with()), News { warnings: vec![line], gone: Vec::new() });
    assert_eq!(Devices::new(Severity::Warning).hear(with()), News::default(), "it makes the GPU unhealthy");
}

#[test]
fn devices_without_an_address_are_passed_over() {
    let mut devices = Devices::new(Severity::Critical);
    let failed = || vec![status(4, "memory")];
    for bdf in ["card0", "", "0000:3a:00", "0000:3a:00.0 ", "/etc/passwd"] {
        devices.hear(message(vec![device(bdf, failed())]));
    }
    devices.hear(message(vec![DeviceHealth { info: None, health: failed() }]));
    let info = Some(DeviceInformation::default());
    devices.hear(message(vec![DeviceHealth { info, health: failed() }]));
    assert_eq!(devices.verdicts, Verdicts::new());
    devices.hear(message(vec![device("0000:3A:00.0", failed())]));
    assert_eq!(devices.verdicts.keys().collect::<Vec<_>>(), [&CARD], "upper-case digits are digits");
}

#[test]
fn a_device_that_is_there_twice_is_as_bad_as_the_worse_of_both() {
    let mut devices = Devices::new(Severity::Critical);
    let twice = [vec![status(4, "memory")], vec![status(1, "memory")]];
    devices.hear(message(twice.map(|health| device("0000:3a:00.0", health)).into()));
    assert_ne!(devices.verdicts[&CARD], Verdict::Healthy);
}

#[test]
fn a_device_that_is_not_spoken_of_keeps_its_state() {
    let mut devices = Devices::new(Severity::Critical);
    devices.hear(of_card(vec![status(3, "memory")]));
    let before = devices.verdicts.clone();
    devices.hear(message(Vec::new()));
    assert_eq!(devices.verdicts, before);
}

#[test]
fn huge_texts_are_cut_and_are_one_line() {
    let mut devices = Devices::new(Severity::Critical);
    let mut bad = status(3, &"ö".repeat(1 << 20));
    bad.message = "x".repeat(1 << 20);
    let mut warning = status(2, "two\nlines \u{1b}[31m");
    warning.reason = "y".repeat(1 << 20);
    let news = devices.hear(of_card(vec![bad, warning]));
    let Verdict::Unhealthy(trouble) = &devices.verdicts[&CARD] else { panic!("healthy") };
    assert!(trouble.reason.ends_with("ö… (critical)"), "{}", trouble.reason);
    for text in [&trouble.reason, &trouble.kind, &news.warnings[0]] {
        assert!(text.chars().count() < 300 && !text.contains(char::is_control), "{text}");
    }
}

#[test]
fn thousands_of_devices_and_warnings_are_not_all_remembered() {
    let mut devices = Devices::new(Severity::Critical);
    let many = |domain: u32| {
        let devices = (0..2000_u32)
            .map(|n| device(&format!("{domain:04x}:{:02x}:{:02x}.0", n / 32, n % 32), Vec::new()));
        message(devices.collect())
    };
    assert_eq!(devices.hear(many(0)).warnings.len(), 1);
    assert_eq!(devices.hear(many(1)), News::default(), "it is said once");
    assert_eq!(devices.verdicts.len(), 1024);
    let first = PciAddress { domain: 0, bus: 0, device: 0, function: 0 };
    devices.hear(message(vec![device("0000:00:00.0", vec![status(3, "memory")])]));
    assert_ne!(devices.verdicts[&first], Verdict::Healthy, "a known one is listened to");
    let statuses: Vec<_> = (0..2000).map(|n| status(2, &format!("sensor {n:04}"))).collect();
    let news = devices.hear(message(vec![device("0000:00:00.0", statuses.clone())]));
    assert_eq!(news.warnings.len(), 8);
    let reversed = statuses.into_iter().rev().collect();
    assert_eq!(devices.hear(message(vec![device("0000:00:00.0", reversed)])), News::default());
}
