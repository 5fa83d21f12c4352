//! Whether the firmware of a physical function answers (`heartbeat` in `Documentation/ABI/testing/debugfs-driver-qat`).
//!
//! Reading `status` asks the firmware, and the driver also answers -1 when it was asked less than `config` milliseconds
//! ago (`adf_heartbeat.c`). So it is not read at each look at the hardware, and -1 without a failed query says nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use device_plugin::error_chain;
use host::{Host, HostError, PciAddress, PciFunction};

use crate::services::debug_folder;

/// What the driver says of a device that does not answer.
const NO_ANSWER: &str = "-1";
/// The default of `config`, for drivers that do not say what it is.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What is known of the physical functions of a node.
#[derive(Debug, Default)]
pub(crate) struct Heartbeats(BTreeMap<PciAddress, Beat>);

#[derive(Debug)]
struct Beat {
    /// When it was asked last.
    asked: Instant,
    /// How long not to ask again.
    pause: Duration,
    is_dead: bool,
    /// Why it could not be asked.
    warning: Option<String>,
}

impl Heartbeats {
    /// Asks those of `functions` that may be asked again, and forgets all others. The answer is what is wrong with asking.
    pub(crate) fn ask(&mut self, host: &Host, functions: &[PciFunction], now: Instant) -> Vec<String> {
        self.0.retain(|address, _| functions.iter().any(|function| function.address() == *address));
        for function in functions {
            let last = self.0.get(&function.address());
            if last.is_none_or(|beat| now.duration_since(beat.asked) >= beat.pause) {
                let was_dead = last.is_some_and(|beat| beat.is_dead);
                self.0.insert(function.address(), Beat::of(host, function, was_dead, now));
            }
        }
        self.0.values().filter_map(|beat| beat.warning.clone()).collect()
    }

    /// Whether it did not answer when it was asked last.
    pub(crate) fn is_dead(&self, address: PciAddress) -> bool {
        self.0.get(&address).is_some_and(|beat| beat.is_dead)
    }
}

impl Beat {
    fn of(host: &Host, function: &PciFunction, was_dead: bool, now: Instant) -> Self {
        let mut beat = Self { asked: now, pause: SHORTEST_PAUSE, is_dead: false, warning: None };
        let Some(folder) = debug_folder(function) else { return beat };
        if let Some(pause) = number(host, &format!("{folder}/heartbeat/config")) {
            beat.pause = Duration::from_millis(pause).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        }
        match is_dead(host, &folder) {
            Ok(Some(is_dead)) => beat.is_dead = is_dead,
            Ok(None) => beat.is_dead = was_dead,
            // Linux before 6.6 has none, and debugfs need not be there.
            Err(error) if error.is_not_found() => {}
            Err(error) => {
                let at = function.address();
                beat.warning = Some(format!("the heartbeat of {at} is not known: {}", error_chain(&error)));
            }
        }
        beat
    }
}

/// `None`: it says nothing, because somebody else asked a moment ago.
fn is_dead(host: &Host, folder: &str) -> Result<Option<bool>, HostError> {
    let failures = || number(host, &format!("{folder}/heartbeat/queries_failed"));
    let before = failures();
    // The driver puts a zero byte after the line.
    let status = host.read(format!("{folder}/heartbeat/status"))?;
    if status.lines().next() != Some(NO_ANSWER) {
        return Ok(Some(false));
    }
    let was_asked = before.is_none() || before != failures();
    Ok(was_asked.then_some(true))
}

fn number(host: &Host, path: &str) -> Option<u64> {
    host.read(path).ok()?.lines().next()?.parse().ok()
}
