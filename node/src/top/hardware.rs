//! What a device of a plugin is in the machine, and what sysfs and debugfs tell of its use.

use std::collections::BTreeMap;
use std::time::Duration;

use host::{Host, PciAddress, PciFunction, number_of};

const DEBUGFS: &str = "/sys/kernel/debug";

/// A piece of hardware, as a plugin's id names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hardware {
    /// A PCI function: of a GPU, an NPU, a QAT, a DSA that VFIO has, a DLB.
    Function(String),
    /// A work queue of DSA or IAA.
    Queue(String),
}

impl Hardware {
    /// What the device `id` of a plugin is: `card0-1`, `accel0-0`, `wq-user-shared-wq0.1-2`, `0000:6b:00.1`, `/dev/dlb0`.
    pub(super) fn of(host: &Host, id: &str) -> Option<Self> {
        let function =
            |link: String| PciFunction::of(host, link).ok().map(|found| found.address().to_string());
        if let Ok(address) = id.parse::<PciAddress>() {
            return Some(Self::Function(address.to_string()));
        }
        if let Some(name) = id.strip_prefix("/dev/") {
            return function(format!("/sys/class/dlb2/{name}/device")).map(Self::Function);
        }
        for part in id.split('-') {
            for (word, class) in [("card", "drm"), ("accel", "accel")] {
                if number_of(part, word).is_some() {
                    return function(format!("/sys/class/{class}/{part}/device")).map(Self::Function);
                }
            }
            if host::name_matches("wq#.#", part) {
                return Some(Self::Queue(part.to_owned()));
            }
        }
        None
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Function(name) | Self::Queue(name) => name,
        }
    }

    /// What the driver tells of its use.
    pub(super) fn told(&self, host: &Host) -> BTreeMap<&'static str, u64> {
        match self {
            Self::Queue(queue) => of_queue(host, queue),
            Self::Function(function) => of_qat(host, function).into_iter().collect(),
        }
    }
}

/// Programs that have the queue open, and entries in it now (`Documentation/ABI/stable/sysfs-driver-dma-idxd`).
fn of_queue(host: &Host, queue: &str) -> BTreeMap<&'static str, u64> {
    let read = |name: &'static str| {
        let number = host.parse(format!("/sys/bus/dsa/devices/{queue}/{name}"), "a number").ok()?;
        Some((name, number))
    };
    ["clients", "occupancy"].into_iter().filter_map(read).collect()
}

/// How busy the QAT of a virtual function is, where its telemetry is on (`debugfs-driver-qat_telemetry`). It is not turned on
/// for this.
fn of_qat(host: &Host, function: &str) -> Option<(&'static str, u64)> {
    let folder = format!("{}/telemetry", qat_of(host, function)?);
    if host.read(format!("{folder}/control")).ok()?.lines().next() == Some("0") {
        return None;
    }
    let data = host.read(format!("{folder}/device_data")).ok()?;
    Some(("percent of the whole QAT", busiest(&data)?))
}

/// The folder in debugfs of the physical function that a function is of.
fn qat_of(host: &Host, function: &str) -> Option<String> {
    let function = PciFunction::at(host, function.parse().ok()?).ok()?;
    let physical = function.physical_function().ok()??;
    Some(format!("{DEBUGFS}/qat_{}_{}", physical.driver().ok()??, physical.address()))
}

/// How many requests the engines of QATs have passed to their firmware since they are up, by folder in debugfs.
#[derive(Debug, Default)]
pub(super) struct Requests(BTreeMap<String, u64>);

impl Requests {
    /// Of all QATs whose driver tells it. Each time the firmware is asked, which is a matter of microseconds.
    pub(super) fn take(host: &Host) -> Self {
        let names = host.names(DEBUGFS).unwrap_or_default();
        let folders =
            names.iter().filter(|name| name.starts_with("qat_")).map(|name| format!("{DEBUGFS}/{name}"));
        let of = |folder: String| {
            let text = host.read(format!("{folder}/fw_counters")).ok()?;
            Some((folder, requests(&text)?))
        };
        Self(folders.filter_map(of).collect())
    }

    /// How many a second there were since, of the QAT that a virtual function is of. `None` if that is not known, as after a
    /// reset, with which they begin at 0.
    pub(super) fn each_second(
        &self,
        before: &Self,
        between: Duration,
        host: &Host,
        hardware: &Hardware,
    ) -> Option<(&'static str, u64)> {
        let Hardware::Function(function) = hardware else { return None };
        let folder = qat_of(host, function)?;
        let more = self.0.get(&folder)?.checked_sub(*before.0.get(&folder)?)?;
        let each_second = u128::from(more) * 1000 / between.as_millis().max(1);
        Some(("requests/s of the whole QAT", u64::try_from(each_second).ok()?))
    }
}

/// The sum of the lines `ENGINE: REQUESTS RESPONSES` (`fw_counters` of `Documentation/ABI/testing/debugfs-driver-qat`); `None`
/// if there is none.
fn requests(text: &str) -> Option<u64> {
    let of = |line: &str| {
        let (engine, counts) = line.split_once(':')?;
        engine.trim().parse::<u16>().ok()?;
        counts.split_whitespace().next()?.parse::<u64>().ok()
    };
    text.lines().filter_map(of).reduce(u64::saturating_add)
}

/// The most of the lines `util_NAME PERCENT`.
fn busiest(data: &str) -> Option<u64> {
    let lines = data.lines().filter(|line| line.starts_with("util_"));
    lines
        .filter_map(|line| line.split_whitespace().nth(1)?.parse().ok())
        .filter(|percent| *percent <= 100)
        .max()
}

#[cfg(test)]
mod tests {
    use simulator::{Profile, SimulatedNode};

    use super::*;

    fn node(profile: &str) -> (tempfile::TempDir, SimulatedNode) {
        let folder = tempfile::tempdir().unwrap();
        let profile = Profile::builtin(profile).unwrap();
        let node = SimulatedNode::create_with_stand_ins(folder.path(), &profile).unwrap();
        (folder, node)
    }

    #[test]
    fn ids_of_plugins_lead_to_the_hardware() {
        let (_folder, node) = node("xeon-full");
        let found = |id: &str| Hardware::of(&node.host(), id).map(|found| found.name().to_owned());
        for (id, name) in [
            ("wq-user-shared-wq0.1-2", Some("wq0.1")),
            ("0000:6b:00.1", Some("0000:6b:00.1")),
            ("sgx-enclave-7", None),
            ("card99-0", None),
            ("/dev/../etc", None),
        ] {
            assert_eq!(found(id).as_deref(), name, "{id}");
        }
        let card = found("card0-1").unwrap();
        assert!(card.parse::<PciAddress>().is_ok(), "{card}");
    }

    #[test]
    fn a_queue_tells_how_many_use_it() {
        let (_folder, mut node) = node("xeon-accelerators");
        node.set_attribute("/sys/bus/dsa/devices/wq0.0/clients", "3").unwrap();
        let told = Hardware::Queue("wq0.0".to_owned()).told(&node.host());
        assert_eq!(told.get("clients"), Some(&3));
    }

    #[test]
    fn the_busiest_part_of_a_qat_counts() {
        assert_eq!(busiest("sample_cnt 12\nutil_cpr0 7\nutil_pke0 42\nutil_bad x\nutil_cph 101\n"), Some(42));
        assert_eq!(busiest("sample_cnt 12\n"), None);
    }

    #[test]
    fn requests_of_all_engines_count_from_look_to_look() {
        let (_folder, mut node) = node("xeon-accelerators");
        let host = node.host();
        let qat = Hardware::Function("0000:6b:00.1".to_owned());
        let two_seconds = Duration::from_secs(2);
        let mut look = |ones: &str, twos: &str| {
            let text = format!("AE         Requests        Responses\n 0: {ones} 7\n 1: {twos} 9\n");
            node.set_attribute(format!("{DEBUGFS}/qat_4xxx_0000:6b:00.0/fw_counters"), &text).unwrap();
            Requests::take(&host)
        };
        let (before, after) = (look("100", "1000"), look("300", "2001"));
        let told = |before: &Requests, after: &Requests| after.each_second(before, two_seconds, &host, &qat);
        assert_eq!(told(&before, &after), Some(("requests/s of the whole QAT", 600)));
        assert_eq!(told(&after, &before), None, "it was reset");
        assert_eq!(told(&before, &look("x", "y")), None, "it is not understood");
        assert_eq!(
            after.each_second(&before, two_seconds, &host, &Hardware::Queue("wq0.0".to_owned())),
            None
        );
        let other = Hardware::Function("0000:70:00.1".to_owned());
        assert_eq!(
            after.each_second(&before, two_seconds, &host, &other),
            Some(("requests/s of the whole QAT", 0))
        );
    }
}
