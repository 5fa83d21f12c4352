//! The links between GPUs, from the metrics of XPU Manager.

use std::collections::BTreeMap;

use pages::exposition::{Family, Kind, Sample};

/// The family of metrics that tells how each two GPUs, or tiles of GPUs, are connected. The value 1 is a link of its own.
pub const FAMILY: &str = "xpum_topology_link";

/// No node has more: eight GPUs of two tiles each, all linked with all, are 120.
const MAX_LINKS: usize = 4096;

/// Which links count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// A link of fewer lanes does not count.
    pub lanes: u64,
    /// A link counts, too, when it does not begin at one of several tiles of a GPU.
    pub without_subdevices: bool,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// `DEVICE.TILE-DEVICE.TILE` with `_` between, each link once, in the order of the metrics.
    pub text: String,
    /// What is odd about the metrics, for the log.
    pub oddities: Vec<String>,
}

/// One end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    device: i64,
    subdevice: i64,
}

/// The links in `family`, which is [`FAMILY`]'s, if it is there.
pub fn links(family: Option<&Family<'_>>, rules: Rules) -> Links {
    let mut links = Links::default();
    let Some(family) = family else { return links };
    if !matches!(family.kind, Kind::Gauge | Kind::Untyped) {
        links.oddities.push(format!("{FAMILY} is a {:?} and no gauge: it is left out", family.kind));
        return links;
    }
    let mut seen: BTreeMap<[End; 2], usize> = BTreeMap::new();
    for ends in family.samples.iter().filter_map(|sample| link(sample, rules)) {
        if seen.len() == MAX_LINKS && !seen.contains_key(&ends) {
            links.oddities.push(format!("there are more than {MAX_LINKS} links: the others are left out"));
            break;
        }
        let [first, second] = ends;
        let text = format!("{}.{}-{}.{}", first.device, first.subdevice, second.device, second.subdevice);
        let count = seen.entry(ends).or_default();
        *count += 1;
        match *count {
            1 if links.text.is_empty() => links.text = text,
            1 => links.text.extend(["_", &text]),
            // Two are right: each of its ends tells of a link. More are said once.
            3 => links.oddities.push(format!("the link {text} is there more than twice")),
            _ => {}
        }
    }
    links
}

/// The two ends of a link that counts, that of the lower device first.
fn link(sample: &Sample<'_>, rules: Rules) -> Option<[End; 2]> {
    let is_on_subdevice = |(name, value): &(&str, _)| *name != "local_on_subdevice" || value == "true";
    #[expect(clippy::float_cmp, reason = "the value stands for a kind of connection")]
    let counts =
        sample.value == 1.0 && (rules.without_subdevices || sample.labels.iter().all(is_on_subdevice));
    if !counts {
        return None;
    }
    // Of several labels of these names, the last that is a number.
    let number = |names: &[&str]| {
        let mut named = sample.labels.iter().rev().filter(|(name, _)| names.contains(name));
        named.find_map(|(_, value)| value.parse::<i64>().ok()).filter(|number| *number >= 0)
    };
    let local = End { device: number(&["local_device_id"])?, subdevice: number(&["local_subdevice_id"])? };
    let remote = End { device: number(&["remote_device_id"])?, subdevice: number(&["remote_subdevice_id"])? };
    // Versions of XPU Manager spell it differently.
    let lanes = number(&["lane_count", "lan_count"])?;
    if lanes.unsigned_abs() < rules.lanes {
        return None;
    }
    Some(if local.device < remote.device { [local, remote] } else { [remote, local] })
}
