//! A short run of each scenario, with the binary as `cargo build` makes it.
#![expect(
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests"
)]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What is found with one seed is found again; a long run has others.
const SEED: &str = "10";

/// The binary, as new as its source.
fn binary() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let mut command = Command::new(env!("CARGO"));
        command.args([
            "build",
            "--quiet",
            "--locked",
            "--package",
            "intel-device-plugins",
            "--message-format=json",
        ]);
        let output = command.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "cargo build: {}", output.status);
        let messages = String::from_utf8(output.stdout).unwrap();
        let messages = messages.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let made = messages.filter(|message| message["target"]["name"] == "intel-device-plugins");
        let made: Vec<PathBuf> =
            made.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).collect();
        made.last().unwrap().clone()
    })
}

/// Whether namespaces can be had, which need root or a system that gives them to others. What is left out is said in one line, and
/// nothing is where `CI` is set.
fn has_namespaces(scenario: &str) -> bool {
    let command = ["--user", "--map-root-user", "--mount", "true"];
    let has = Command::new("unshare")
        .args(command)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    assert!(
        has || std::env::var_os("CI").is_none(),
        "{scenario} needs user namespaces, and CI may skip nothing"
    );
    if !has {
        eprintln!("skipped: chaos: {scenario} needs user namespaces");
    }
    has
}

fn holds(scenario: &str) {
    if !has_namespaces(scenario) {
        return;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    command.args(["-short", "-seed", SEED, "-scenario", scenario]).arg(binary());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}");
}

#[test]
fn no_resource_is_lost_when_the_kubelet_restarts() {
    holds("restarts");
}

#[test]
fn a_kubelet_that_stood_still_hears_what_is_right() {
    holds("stall");
}

#[test]
fn sockets_that_somebody_meddled_with_come_back() {
    holds("sockets");
}

#[test]
fn the_kubelets_folder_may_go_and_come_again() {
    holds("folder");
}

#[test]
fn changes_are_seen_without_inotify() {
    holds("inotify");
}

#[test]
fn a_disk_that_is_full_or_read_only_is_survived_and_said() {
    holds("cdi");
}

#[test]
fn the_time_of_day_may_jump() {
    holds("clock");
}

#[test]
fn a_rolling_update_leaves_the_right_list() {
    holds("instances");
}

#[test]
fn a_plugin_killed_while_it_answers_leaves_no_harm() {
    holds("kill");
}

#[test]
fn devices_that_flap_are_seen_and_never_allocated_when_gone() {
    holds("flaps");
}
