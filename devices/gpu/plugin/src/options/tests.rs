use super::*;

fn check(args: &[&str]) -> Result<Config, String> {
    Options::parse("gpu", args.iter().copied()).map_err(|stop| stop.to_string())?.check()
}

fn refused(args: &[&str], because: &str) {
    match check(args) {
        Ok(config) => panic!("{args:?} is accepted: {config:?}"),
        Err(error) => assert!(error.contains(because), "{args:?}: {error}"),
    }
}

#[test]
fn without_flags_every_gpu_is_offered_once() {
    let config = check(&[]).unwrap();
    assert_eq!(
        config,
        Config {
            shares: 1,
            policy: Policy::None,
            ids: IdFilter::Any,
            bypath: ByPath::Single,
            monitoring: None,
            wsl: false,
            health: HealthSource::None,
        }
    );
}

#[test]
fn ids_may_have_blanks_around_them() {
    let allowed = ["0x1234", "0xabcd"].map(str::to_owned).into();
    assert_eq!(check(&["-allow-ids", " 0x1234, 0xabcd "]).unwrap().ids, IdFilter::Allow(allowed));
    let denied = ["0x1234".to_owned()].into();
    assert_eq!(check(&["-deny-ids=0x1234"]).unwrap().ids, IdFilter::Deny(denied));
}

#[test]
fn bad_values_are_refused() {
    refused(&["-shared-dev-num=0"], "-shared-dev-num is 0");
    refused(&["-shared-dev-num=-3"], "-shared-dev-num is -3");
    refused(&["-shared-dev-num=200001"], "not 1 to 200000");
    refused(&["-shared-dev-num=4294967297"], "not 1 to 200000");
    refused(&["-allocation-policy="], "-allocation-policy is \"\"");
    refused(&["-allocation-policy=spread"], "\"spread\"");
    refused(&["-allow-ids=0x1234", "-deny-ids=0x1235"], "at the same time");
    refused(&["-allow-ids=0x1234,abcd"], "-allow-ids: \"abcd\"");
    refused(&["-deny-ids=0x1234,0x12ABx"], "-deny-ids: \"0x12ABx\"");
    refused(&["-allow-ids=0x123"], "\"0x123\"");
    refused(&["-allow-ids=0x56C0"], "\"0x56C0\"");
    refused(&["-allow-ids=0x1234,"], "empty");
    refused(&["-monitoring-mode=both"], "-monitoring-mode is \"both\"");
    refused(&["-wsl", "-enable-monitoring"], "-enable-monitoring does not work with -wsl");
    refused(&["-wsl", "-health-management"], "do not work with -wsl");
    refused(&["-wsl", "-xpumd-endpoint=/run/x.sock"], "do not work with -wsl");
    refused(&["-health-management", "-xpumd-endpoint=/run/x.sock"], "cannot be used both");
    refused(&["-xpumd-endpoint=/run/x.sock", "-memory-temp-limit=50"], "no effect with -xpumd-endpoint");
    refused(&["-xpumd-endpoint=/run/x.sock", "-temp-hysteresis=0"], "no effect with -xpumd-endpoint");
    refused(&["-temp-hysteresis=-1"], "-temp-hysteresis is -1, not 0 to 100");
    refused(&["-health-management", "-temp-hysteresis=101"], "-temp-hysteresis is 101");
    refused(&["-xpumd-severity=ok"], "-xpumd-severity is \"ok\", not warning, critical or failed");
}

#[test]
fn the_first_of_several_mistakes_in_the_reference_order_is_named() {
    refused(&["-monitoring-mode=x", "-shared-dev-num=0", "-allocation-policy=x"], "-shared-dev-num");
    refused(&["-monitoring-mode=x", "-allocation-policy=x"], "-allocation-policy");
    refused(&["-monitoring-mode=x", "-wsl", "-enable-monitoring"], "-monitoring-mode");
    refused(&["-allow-ids=x", "-deny-ids=y"], "at the same time");
    refused(&["-wsl", "-enable-monitoring", "-health-management"], "-enable-monitoring");
}

#[test]
fn sources_of_health() {
    let of = |args: &[&str]| check(args).unwrap().health;
    let level_zero =
        |global, gpu, memory, hysteresis| HealthSource::LevelZero(Limits { global, gpu, memory, hysteresis });
    assert_eq!(of(&["-health-management"]), level_zero(100, 100, 100, 5));
    let args = ["-health-management", "-temp-limit=80", "-gpu-temp-limit=90", "-memory-temp-limit=95"];
    assert_eq!(of(&args), level_zero(80, 90, 95, 5));
    assert_eq!(of(&["-health-management", "-temp-hysteresis=0"]), level_zero(100, 100, 100, 0));
    let xpumd = |severity| HealthSource::Xpumd { socket: "/run/x.sock".to_owned(), severity };
    let socket = "-xpumd-endpoint=/run/x.sock";
    assert_eq!(of(&[socket, "-temp-limit=100"]), xpumd(Severity::Critical));
    assert_eq!(of(&[socket, "-xpumd-severity=warning"]), xpumd(Severity::Warning));
    assert_eq!(of(&[socket, "-xpumd-severity=failed"]), xpumd(Severity::Failed));
}

#[test]
fn what_older_versions_took_is_taken_with_a_warning() {
    let options = Options::parse("gpu", ["-resource-manager", "-bypath=some"]).unwrap();
    assert_eq!(options.check().unwrap().bypath, ByPath::Single);
    let warnings = options.warnings();
    assert!(warnings[0].contains("-resource-manager") && warnings[1].contains("-bypath"), "{warnings:?}");
    assert!(Options::parse("gpu", ["-bypath=all"]).unwrap().warnings().is_empty());
}

#[test]
fn flags_of_a_source_of_health_that_is_not_asked_are_taken_with_a_warning() {
    let warnings = |args: &[&str]| Options::parse("gpu", args).unwrap().warnings();
    for flag in ["-temp-limit=80", "-gpu-temp-limit=80", "-memory-temp-limit=80", "-temp-hysteresis=0"] {
        assert_eq!(
            warnings(&[flag]),
            ["temperature limits have no effect without -health-management"],
            "{flag}"
        );
        assert!(warnings(&["-health-management", flag]).is_empty(), "{flag}");
    }
    let severity = "-xpumd-severity=warning";
    assert_eq!(warnings(&[severity]), ["-xpumd-severity has no effect without -xpumd-endpoint"]);
    assert!(warnings(&["-xpumd-endpoint=/run/x.sock", severity]).is_empty());
}

#[test]
fn unknown_flags_are_refused_as_go_does() {
    let stop = Options::parse("gpu", ["-shared-dev-nun=2"]).unwrap_err();
    assert_eq!(stop.exit_code(), 2);
    assert!(stop.to_string().starts_with("flag provided but not defined: -shared-dev-nun\n"), "{stop}");
}

#[test]
fn the_usage_text_is_the_golden_one() {
    let stop = Options::parse("intel_gpu_device_plugin", ["-h"]).unwrap_err();
    assert_eq!(stop.exit_code(), 0);
    simulator::golden("tests/golden/usage.txt", &stop.to_string());
}
