//! The command line: the flags of the Go implementation (v0.32 to v0.36), checked in its order and with its exit codes.

use std::collections::BTreeSet;
use std::ffi::OsString;

use cli::plugin::PluginOptions;
use cli::{FlagSet, Stop};

/// The flags as they were given.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Debug, Clone)]
pub struct Options {
    /// Before `/sys` and `/dev`.
    pub prefix: String,
    /// What all plugins have.
    pub common: PluginOptions,
    enable_monitoring: bool,
    monitoring_mode: String,
    health_management: bool,
    xpumd_endpoint: String,
    bypath: String,
    wsl: bool,
    shared_dev_num: i64,
    temp_limit: i64,
    gpu_temp_limit: i64,
    memory_temp_limit: i64,
    temp_hysteresis: i64,
    xpumd_severity: String,
    allocation_policy: String,
    allow_ids: String,
    deny_ids: String,
    resource_manager: bool,
}

/// What the flags mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How many containers may share a GPU; 1 to 200,000.
    pub shares: u32,
    /// Which free units are handed out.
    pub policy: Policy,
    /// Which GPUs are offered.
    pub ids: IdFilter,
    /// What containers see in `/dev/dri/by-path`.
    pub bypath: ByPath,
    /// The resources that give access to all GPUs, if wanted.
    pub monitoring: Option<Monitoring>,
    /// GPUs are those of Windows.
    pub wsl: bool,
    /// Who says whether a GPU works.
    pub health: HealthSource,
}

/// Which free units are handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Of different GPUs, in the kubelet's order.
    None,
    /// Of the GPU with most free units.
    Balanced,
    /// Of one GPU until it is full.
    Packed,
}

/// Which GPUs are offered, by the PCI device id as sysfs writes it (`0x56c0`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdFilter {
    /// All.
    Any,
    /// These.
    Allow(BTreeSet<String>),
    /// All but these.
    Deny(BTreeSet<String>),
}

/// What containers see in `/dev/dri/by-path`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByPath {
    /// The links of their GPUs.
    Single,
    /// Nothing.
    None,
    /// The whole folder.
    All,
}

/// The resources that give access to all GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Monitoring {
    /// `monitoring`.
    Single,
    /// `i915_monitoring` and `xe_monitoring`.
    Split,
}

/// Who says whether a GPU works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthSource {
    /// Nobody: all are healthy.
    None,
    /// The Level-Zero sidecar.
    LevelZero(Limits),
    /// XPU Manager's daemon.
    Xpumd {
        /// Its socket.
        socket: String,
        /// What makes a GPU unhealthy.
        severity: Severity,
    },
}

/// From which of XPU Manager's severities on a GPU is unhealthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Anything that is not as it should be, error correction that is off, say.
    Warning,
    /// It works badly.
    Critical,
    /// It doesn't work.
    Failed,
}

/// A reading above its limit makes a GPU unhealthy. Degrees Celsius.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of the whole device.
    pub global: i64,
    /// Of the GPU itself.
    pub gpu: i64,
    /// Of its memory.
    pub memory: i64,
    /// How far below its limit a sensor must be before a GPU that was too hot is healthy again; 0 to 100.
    pub hysteresis: i64,
}

const DEFAULT_LIMITS: Limits = Limits { global: 100, gpu: 100, memory: 100, hysteresis: 5 };
const DEFAULT_SEVERITY: &str = "critical";
const MAX_HYSTERESIS: i64 = 100;
/// The kubelet takes lists of up to 4 MiB, which is less than 200,000 devices.
const MAX_SHARES: u32 = 200_000;

impl Default for Options {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            common: PluginOptions::default(),
            enable_monitoring: false,
            monitoring_mode: "single".to_owned(),
            health_management: false,
            xpumd_endpoint: String::new(),
            bypath: "single".to_owned(),
            wsl: false,
            shared_dev_num: 1,
            temp_limit: DEFAULT_LIMITS.global,
            gpu_temp_limit: DEFAULT_LIMITS.gpu,
            memory_temp_limit: DEFAULT_LIMITS.memory,
            temp_hysteresis: DEFAULT_LIMITS.hysteresis,
            xpumd_severity: DEFAULT_SEVERITY.to_owned(),
            allocation_policy: "none".to_owned(),
            allow_ids: String::new(),
            deny_ids: String::new(),
            resource_manager: false,
        }
    }
}

impl Options {
    /// Reads the words after the program's name.
    pub fn parse<I>(program: &str, args: I) -> Result<Self, Stop>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let mut options = Self::default();
        let mut flags = FlagSet::new(program, "Offers the Intel GPUs of a node to Kubernetes.");
        flags.int("shared-dev-num", &mut options.shared_dev_num, "how many containers may share one GPU");
        flags.string(
            "allocation-policy",
            &mut options.allocation_policy,
            "which free units to hand out: none (of different GPUs), balanced (of the least used GPU), packed (of one GPU \
             until it is full)",
        );
        flags.string(
            "allow-ids",
            &mut options.allow_ids,
            "offer only GPUs of these PCI device ids, such as 0x56c0,0x56c1",
        );
        flags.string("deny-ids", &mut options.deny_ids, "offer all GPUs but those of these PCI device ids");
        flags.string(
            "bypath",
            &mut options.bypath,
            "what containers see in /dev/dri/by-path: single (the links of their GPUs), none, all (the whole folder)",
        );
        flags.string(
            "prefix",
            &mut options.prefix,
            "folder that holds the /sys and /dev to use, for simulated nodes",
        );
        flags.bool("wsl", &mut options.wsl, "offer the GPUs of Windows to Linux below it, as dxg");
        flags.section("Monitoring flags");
        flags.bool(
            "enable-monitoring",
            &mut options.enable_monitoring,
            "offer a resource that gives access to all GPUs",
        );
        flags.string(
            "monitoring-mode",
            &mut options.monitoring_mode,
            "single (monitoring, for all GPUs) or split (i915_monitoring and xe_monitoring, by driver)",
        );
        flags.section("Health flags");
        flags.bool(
            "health-management",
            &mut options.health_management,
            "ask the Level-Zero sidecar whether GPUs work",
        );
        flags.string(
            "xpumd-endpoint",
            &mut options.xpumd_endpoint,
            "ask XPU Manager's daemon at this socket whether GPUs work",
        );
        flags.int(
            "temp-limit",
            &mut options.temp_limit,
            "a GPU whose global sensor shows more than this is unhealthy, in degrees Celsius",
        );
        flags.int(
            "gpu-temp-limit",
            &mut options.gpu_temp_limit,
            "a GPU whose own sensor shows more than this is unhealthy, in degrees Celsius",
        );
        flags.int(
            "memory-temp-limit",
            &mut options.memory_temp_limit,
            "a GPU whose memory's sensor shows more than this is unhealthy, in degrees Celsius",
        );
        flags.int(
            "temp-hysteresis",
            &mut options.temp_hysteresis,
            "a GPU that was too hot is healthy again when all its sensors are so many degrees below their limits; 0 to 100",
        );
        flags.string(
            "xpumd-severity",
            &mut options.xpumd_severity,
            "with -xpumd-endpoint: warning, critical or failed; what is so bad, or worse, makes a GPU unhealthy",
        );
        flags.section("Flags of earlier versions");
        flags.bool(
            "resource-manager",
            &mut options.resource_manager,
            "of v0.32, without effect: fractional GPU resources are gone",
        );
        options.common.add_flags(&mut flags);
        flags.parse(args)?;
        Ok(options)
    }

    /// What the flags mean; the first thing that is wrong is the error.
    pub fn check(&self) -> Result<Config, String> {
        let Ok(shares @ 1..=MAX_SHARES) = u32::try_from(self.shared_dev_num) else {
            let given = self.shared_dev_num;
            return Err(format!("argument error: -shared-dev-num is {given}, not 1 to {MAX_SHARES}"));
        };
        let policy = match self.allocation_policy.as_str() {
            "none" => Policy::None,
            "balanced" => Policy::Balanced,
            "packed" => Policy::Packed,
            other => {
                return Err(format!(
                    "argument error: -allocation-policy is {other:?}, not none, balanced or packed"
                ));
            }
        };
        if !self.allow_ids.is_empty() && !self.deny_ids.is_empty() {
            return Err("argument error: -allow-ids and -deny-ids cannot be used at the same time".to_owned());
        }
        let allowed = ids("-allow-ids", &self.allow_ids)?;
        let denied = ids("-deny-ids", &self.deny_ids)?;
        let mode = match self.monitoring_mode.as_str() {
            "single" => Monitoring::Single,
            "split" => Monitoring::Split,
            other => {
                return Err(format!("argument error: -monitoring-mode is {other:?}, not single or split"));
            }
        };
        Ok(Config {
            shares,
            policy,
            ids: if !allowed.is_empty() {
                IdFilter::Allow(allowed)
            } else if !denied.is_empty() {
                IdFilter::Deny(denied)
            } else {
                IdFilter::Any
            },
            bypath: match self.bypath.as_str() {
                "none" => ByPath::None,
                "all" => ByPath::All,
                _ => ByPath::Single,
            },
            monitoring: self.enable_monitoring.then_some(mode),
            wsl: self.wsl,
            health: self.health()?,
        })
    }

    fn health(&self) -> Result<HealthSource, String> {
        let xpumd = !self.xpumd_endpoint.is_empty();
        if self.wsl && self.enable_monitoring {
            return Err("argument error: -enable-monitoring does not work with -wsl".to_owned());
        }
        if self.wsl && (self.health_management || xpumd) {
            return Err(
                "argument error: -health-management and -xpumd-endpoint do not work with -wsl".to_owned()
            );
        }
        if self.health_management && xpumd {
            let why = "one source of health only";
            return Err(format!(
                "argument error: -health-management and -xpumd-endpoint cannot be used both: {why}"
            ));
        }
        let limits = self.limits();
        let hysteresis = limits.hysteresis;
        if !(0..=MAX_HYSTERESIS).contains(&hysteresis) {
            return Err(format!(
                "argument error: -temp-hysteresis is {hysteresis}, not 0 to {MAX_HYSTERESIS}"
            ));
        }
        if xpumd && limits != DEFAULT_LIMITS {
            let why = "XPU Manager has limits of its own";
            return Err(format!(
                "argument error: temperature limits have no effect with -xpumd-endpoint: {why}"
            ));
        }
        let severity = match self.xpumd_severity.as_str() {
            "warning" => Severity::Warning,
            "critical" => Severity::Critical,
            "failed" => Severity::Failed,
            other => {
                return Err(format!(
                    "argument error: -xpumd-severity is {other:?}, not warning, critical or failed"
                ));
            }
        };
        Ok(match (self.health_management, xpumd) {
            (true, _) => HealthSource::LevelZero(limits),
            (_, true) => HealthSource::Xpumd { socket: self.xpumd_endpoint.clone(), severity },
            _ => HealthSource::None,
        })
    }

    fn limits(&self) -> Limits {
        Limits {
            global: self.temp_limit,
            gpu: self.gpu_temp_limit,
            memory: self.memory_temp_limit,
            hysteresis: self.temp_hysteresis,
        }
    }

    /// What is accepted but may not do what was meant.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.resource_manager {
            warnings.push(
                "-resource-manager has no effect: fractional GPU resources ended with v0.32; use -shared-dev-num".to_owned(),
            );
        }
        if !["single", "none", "all"].contains(&self.bypath.as_str()) {
            warnings.push(format!("-bypath is {:?}, not single, none or all; taken as single", self.bypath));
        }
        if !self.health_management && self.limits() != DEFAULT_LIMITS {
            warnings.push("temperature limits have no effect without -health-management".to_owned());
        }
        if self.xpumd_endpoint.is_empty() && self.xpumd_severity != DEFAULT_SEVERITY {
            warnings.push("-xpumd-severity has no effect without -xpumd-endpoint".to_owned());
        }
        warnings
    }
}

/// A comma list of PCI device ids, exactly as sysfs writes them.
fn ids(flag: &str, list: &str) -> Result<BTreeSet<String>, String> {
    if list.is_empty() {
        return Ok(BTreeSet::new());
    }
    let is_id = |id: &str| {
        let digits = id.strip_prefix("0x").unwrap_or_default().as_bytes();
        digits.len() == 4 && digits.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
    };
    list.split(',')
        .map(str::trim)
        .map(|id| match id {
            "" => Err(format!("argument error: {flag} has an empty PCI id")),
            id if is_id(id) => Ok(id.to_owned()),
            id => Err(format!("argument error: {flag}: {id:?} is no PCI id such as 0x56c0")),
        })
        .collect()
}

#[cfg(test)]
mod tests;
