//! What XPU Manager's daemon has said of the devices of a node.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use host::PciAddress;

use super::api::{DeviceHealthResponse, HealthStatus, SeverityLevel};
use crate::Severity;
use crate::health::{Trouble, Verdict, Verdicts, one_line};

/// More than a node has, with all virtual functions.
const MAX_DEVICES: usize = 1024;
/// Warnings of one device that are told of.
const MAX_WARNINGS: usize = 8;

/// What the daemon has said so far. Devices that a message doesn't speak of stay as they are.
#[derive(Debug)]
pub(super) struct Devices {
    threshold: i32,
    pub(super) verdicts: Verdicts,
    /// What it complains of that makes no device unhealthy.
    warnings: BTreeMap<PciAddress, Warnings>,
    is_full: bool,
}

/// A complaint's text by what it is about.
type Warnings = BTreeMap<String, String>;

/// What the log should say after a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    pub(super) warnings: Vec<String>,
    pub(super) gone: Vec<String>,
}

impl Devices {
    pub(super) fn new(threshold: Severity) -> Self {
        let threshold = match threshold {
            Severity::Warning => SeverityLevel::Warning,
            Severity::Critical => SeverityLevel::Critical,
            Severity::Failed => SeverityLevel::Failed,
        };
        Self {
            threshold: threshold.into(),
            verdicts: Verdicts::new(),
            warnings: BTreeMap::new(),
            is_full: false,
        }
    }

    /// Takes in a message. Devices without a PCI address are passed over.
    pub(super) fn hear(&mut self, message: DeviceHealthResponse) -> News {
        let mut news = News::default();
        for (address, statuses) in by_address(message) {
            if !self.verdicts.contains_key(&address) && self.verdicts.len() == MAX_DEVICES {
                if !std::mem::replace(&mut self.is_full, true) {
                    news.warnings.push(format!(
                        "XPU Manager speaks of more than {MAX_DEVICES} devices; the others are passed over"
                    ));
                }
                continue;
            }
            self.verdicts.insert(address, verdict(&statuses, self.threshold));
            self.note_warnings(address, warnings(&statuses, self.threshold), &mut news);
        }
        news
    }

    fn note_warnings(&mut self, address: PciAddress, now: Warnings, news: &mut News) {
        let before = self.warnings.remove(&address).unwrap_or_default();
        let line = |text: &String| format!("{address}: XPU Manager reports {text}");
        let appeared = now.iter().filter(|(about, _)| !before.contains_key(*about));
        news.warnings.extend(appeared.map(|(_, text)| line(text)));
        let gone = before.iter().filter(|(about, _)| !now.contains_key(*about));
        news.gone.extend(gone.map(|(_, text)| line(text)));
        if !now.is_empty() {
            self.warnings.insert(address, now);
        }
    }
}

impl News {
    pub(super) fn log(&self) {
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
        for gone in &self.gone {
            tracing::info!("no more: {gone}");
        }
    }
}

/// A device may be there several times: all that is said of it counts.
fn by_address(message: DeviceHealthResponse) -> BTreeMap<PciAddress, Vec<HealthStatus>> {
    let mut statuses: BTreeMap<PciAddress, Vec<HealthStatus>> = BTreeMap::new();
    for device in message.devices {
        let pci = device.info.and_then(|info| info.pci);
        if let Some(address) = pci.and_then(|pci| pci.bdf.parse().ok()) {
            statuses.entry(address).or_default().extend(device.health);
        }
    }
    statuses
}

/// Levels are compared as numbers: one that a later daemon adds is no better than the worst of these.
fn verdict(statuses: &[HealthStatus], threshold: i32) -> Verdict {
    let bad = statuses.iter().filter(|status| status.severity >= threshold);
    // The same one whatever their order, so that the reason stays as long as the trouble does.
    let worst = bad.min_by_key(|status| (Reverse(status.severity), &status.name, &status.reason));
    worst.map_or(Verdict::Healthy, |status| {
        Verdict::Unhealthy(Trouble::new(about(status), format!("XPU Manager reports {}", text(status))))
    })
}

fn warnings(statuses: &[HealthStatus], threshold: i32) -> Warnings {
    let is_warning =
        |status: &&HealthStatus| (SeverityLevel::Warning.into()..threshold).contains(&status.severity);
    let mut warnings: Warnings =
        statuses.iter().filter(is_warning).map(|status| (about(status), text(status))).collect();
    while warnings.len() > MAX_WARNINGS {
        warnings.pop_last();
    }
    warnings
}

/// What a status is about. Its message may have figures in it that differ each time.
fn about(status: &HealthStatus) -> String {
    one_line(&format!("{}: {} ({})", status.name, status.reason, severity(status.severity)))
}

fn text(status: &HealthStatus) -> String {
    let texts = [&status.name, &status.reason, &status.message];
    let texts: Vec<&str> = texts.iter().map(|text| text.as_str()).filter(|text| !text.is_empty()).collect();
    format!("{} ({})", one_line(&texts.join(": ")), severity(status.severity))
}

fn severity(level: i32) -> String {
    match SeverityLevel::try_from(level) {
        Ok(SeverityLevel::Unknown) => "unknown".to_owned(),
        Ok(SeverityLevel::Ok) => "ok".to_owned(),
        Ok(SeverityLevel::Warning) => "warning".to_owned(),
        Ok(SeverityLevel::Critical) => "critical".to_owned(),
        Ok(SeverityLevel::Failed) => "failed".to_owned(),
        Err(_) => format!("severity {level}"),
    }
}

#[cfg(test)]
mod tests;
