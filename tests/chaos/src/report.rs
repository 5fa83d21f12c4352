//! What came of the scenarios, as a table.

use std::time::Duration;

use crate::oracle::Usage;
use crate::scenarios::Scenario;
use crate::world::World;

/// What came of one scenario.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) scenario: Scenario,
    rounds: usize,
    injected: String,
    checks: u64,
    /// Questions for devices that were answered, and refused.
    asked: [u64; 2],
    slowest: Duration,
    usage: [Option<Usage>; 2],
    pub(crate) time: Duration,
    /// Why it failed, if it did.
    pub(crate) failure: Option<String>,
}

impl Report {
    pub(crate) fn new(scenario: Scenario, rounds: usize) -> Self {
        Self {
            scenario,
            rounds,
            injected: String::new(),
            checks: 0,
            asked: [0; 2],
            slowest: Duration::ZERO,
            usage: [None; 2],
            time: Duration::ZERO,
            failure: None,
        }
    }

    /// Takes what the world counted.
    pub(crate) fn take(&mut self, world: &World) {
        let injected = world.injected.iter().map(|(what, count)| format!("{count} {what}"));
        self.injected = injected.collect::<Vec<_>>().join(", ");
        (self.checks, self.asked) = (world.checks.made(), world.checks.asked());
        (self.slowest, self.usage) = (world.slowest, world.usage);
    }
}

/// The table in Markdown. Memory, file descriptors and threads are those of the process after the first tenth of the rounds, and at
/// the end; where each round has a process of its own there are none.
pub(crate) fn table(reports: &[Report]) -> String {
    let mut text = String::from(
        "| scenario | rounds | injected | checks | allocations given, refused | slowest recovery | memory | descriptors | \
         threads | time | result |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for report in reports {
        let Report { scenario, rounds, injected, checks, asked: [given, refused], slowest, time, .. } =
            report;
        let [memory, descriptors, threads] =
            [|usage: Usage| usage.kib, |usage: Usage| usage.descriptors, |usage: Usage| usage.threads]
                .map(|figure| change(report.usage, figure));
        let result = if report.failure.is_none() { "held" } else { "**failed**" };
        let memory = if memory == "-" { memory } else { format!("{memory} KiB") };
        text += &format!(
            "| {} | {rounds} | {injected} | {checks} | {given}, {refused} | {:.2} s | {memory} | {descriptors} | {threads} | {:.0} s | {result} |\n",
            scenario.name(),
            slowest.as_secs_f64(),
            time.as_secs_f64()
        );
    }
    text
}

fn change(usage: [Option<Usage>; 2], figure: fn(Usage) -> u64) -> String {
    match usage.map(|usage| usage.map(figure)) {
        [Some(before), Some(after)] => format!("{before} → {after}"),
        _ => "-".to_owned(),
    }
}
