//! What keeps a node from offering its devices, and what fixes it.
//!
//! A [`Check`] looks at one thing of a node and says what is fine, what was [found](Finding), and what could not be
//! [seen](Unseen). Here are those that have to do with no device: [`kubelet`], [`limits`], [`cdi`], [`iommu`], [`selinux`],
//! [`memory`] and [`programs`]. Those of a family of devices are beside its plugin, with [`hardware`] for what they share. [`archive`] and [`redact`] make what is sent with a report.
//!
//! Nothing is changed, and nothing is read but through [`host::Host`], within limits.

pub mod archive;
pub mod cdi;
pub mod hardware;
pub mod iommu;
pub mod kubelet;
pub mod limits;
pub mod memory;
pub mod mounts;
pub mod programs;
pub mod redact;
pub mod selinux;

use host::{Host, HostError};
use serde_json::{Value, json};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know; nothing is wrong.
    Note,
    /// It works, but not as it should, or not for long.
    Warning,
    /// Something is not offered, or will fail.
    Error,
}

impl Severity {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What a check can find.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Stays the same from version to version, in kebab case.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is found, in a few words, wherever it is found.
    pub about: &'static str,
    /// Why it matters.
    pub why: &'static str,
}

/// Something that a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: &'static Kind,
    /// What exactly, with the path and the value.
    pub what: String,
    /// The command that fixes it, or what to do.
    pub fix: String,
}

/// Something that a check could not look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// The path, or what was to be looked at.
    pub what: String,
    /// Why it could not be.
    pub why: String,
}

/// What devices of a node need of all else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Containers reach them through the IOMMU.
    pub iommu: bool,
    /// Their programs want huge pages.
    pub huge_pages: bool,
    /// Containers get them, or a part of what belongs to them, by CDI.
    pub cdi: bool,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What, in a word.
    pub name: &'static str,
    /// What is fine.
    pub fine: Vec<String>,
    /// What is not.
    pub findings: Vec<Finding>,
    /// What could not be seen.
    pub unseen: Vec<Unseen>,
    /// What the devices that were looked at need.
    pub needs: Needs,
}

/// How one family of devices is looked at.
#[derive(Debug)]
pub struct Doctor {
    /// Looks; `None` if the node shows none of them.
    pub examine: fn(&Host) -> Option<Check>,
    /// What may be found, beside [`hardware::KINDS`].
    pub kinds: &'static [&'static Kind],
    /// What to look at where there should be some, and the node shows none.
    pub absent: &'static str,
}

/// A family was asked for, and is not there.
pub static ABSENT: Kind = Kind {
    id: "hardware-absent",
    severity: Severity::Note,
    about: "a family that was named has no hardware on this node",
    why: "its plugin offers nothing here",
};

/// What can be found whatever the devices.
pub fn kinds() -> Vec<&'static Kind> {
    let parts: [&[&Kind]; 9] = [
        kubelet::KINDS,
        programs::KINDS,
        limits::KINDS,
        cdi::KINDS,
        iommu::KINDS,
        selinux::KINDS,
        memory::KINDS,
        hardware::KINDS,
        &[&ABSENT],
    ];
    parts.concat()
}

impl Check {
    /// Nothing was looked at yet.
    pub fn new(name: &'static str) -> Self {
        Self { name, fine: Vec::new(), findings: Vec::new(), unseen: Vec::new(), needs: Needs::default() }
    }

    /// Something is fine.
    pub fn fine(&mut self, text: impl Into<String>) {
        self.fine.push(text.into());
    }

    /// Something is not.
    pub fn found(&mut self, kind: &'static Kind, what: impl Into<String>, fix: impl Into<String>) {
        self.findings.push(Finding { kind, what: what.into(), fix: fix.into() });
    }

    /// Something could not be seen.
    pub fn unseen(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.unseen.push(Unseen { what: what.into(), why: why.into() });
    }

    /// What could be read; `None` for what is not there, and also for what cannot be read, which is noted.
    pub fn see<T>(&mut self, found: Result<T, HostError>) -> Option<T> {
        match found {
            Ok(value) => Some(value),
            Err(error) if error.is_not_found() => None,
            Err(error) => {
                let denied = error.source.kind() == std::io::ErrorKind::PermissionDenied;
                let hint = if denied && !Host::is_root() { "; root may" } else { "" };
                self.unseen(error.path.display().to_string(), format!("{}{hint}", error.source));
                None
            }
        }
    }

    /// How bad the worst of it is, if anything was found.
    pub fn severity(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.kind.severity).max()
    }

    /// One line: what is fine, or how much is not.
    pub fn summary(&self) -> String {
        let count = |severity: Severity| {
            let count = self.findings.iter().filter(|finding| finding.kind.severity == severity).count();
            let plural = if count == 1 { "" } else { "s" };
            (count > 0).then(|| format!("{count} {}{plural}", severity.name()))
        };
        let severities = [Severity::Error, Severity::Warning, Severity::Note];
        let mut parts: Vec<String> = severities.into_iter().filter_map(count).collect();
        parts.extend(self.fine.iter().cloned());
        if parts.is_empty() { "not seen".to_owned() } else { parts.join("; ") }
    }
}

/// How bad the worst finding of all is.
pub fn worst(checks: &[Check]) -> Option<Severity> {
    checks.iter().filter_map(Check::severity).max()
}

/// The report for programs.
pub fn json(node: &str, checks: &[Check]) -> Value {
    let check = |check: &Check| {
        let findings: Vec<Value> = check.findings.iter().map(finding_json).collect();
        let unseen: Vec<Value> =
            check.unseen.iter().map(|unseen| json!({"what": unseen.what, "why": unseen.why})).collect();
        json!({"name": check.name, "fine": check.fine, "findings": findings, "unseen": unseen})
    };
    json!({
        "node": node,
        "worst": worst(checks).map(Severity::name),
        "checks": checks.iter().map(check).collect::<Vec<_>>(),
    })
}

fn finding_json(finding: &Finding) -> Value {
    let Kind { id, severity, why, .. } = finding.kind;
    json!({"id": id, "severity": severity.name(), "what": finding.what, "why": why, "fix": finding.fix})
}

/// The findings and what was not seen, for people; the worst first.
pub fn text(checks: &[Check]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut found: Vec<(&Check, &Finding)> = Vec::new();
    for check in checks {
        found.extend(check.findings.iter().map(|finding| (check, finding)));
    }
    found.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.kind.severity));
    for (check, Finding { kind, what, fix }) in found {
        lines.push(String::new());
        lines.push(format!("{} {} ({})", kind.severity.name(), kind.id, check.name));
        lines.push(format!("  what  {what}"));
        lines.push(format!("  why   {}", kind.why));
        lines.push(format!("  fix   {fix}"));
    }
    let unseen = checks.iter().flat_map(|check| check.unseen.iter().map(|unseen| (check.name, unseen)));
    let mut unseen = unseen.peekable();
    if unseen.peek().is_some() {
        lines.push(String::new());
        lines.push("not seen".to_owned());
    }
    lines.extend(unseen.map(|(name, Unseen { what, why })| format!("  {name}: {what}: {why}")));
    lines
}

/// Some of many, for a line: `a, b, c and 5 more`.
pub fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A number of things, in words: `1 queue`, `2 queues`.
pub fn count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}
