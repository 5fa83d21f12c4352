//! What a process gives up once it has started, and what it says of that: plugins, and what else stays on a node.

use std::path::Path;

pub use confine::{Access, Connects, Rules};
use confine::{Report, Strictness};
use device_plugin::Paths;
use host::{Host, uevent};
use pages::Figures;

use crate::flags::{FlagSet, Value};
use crate::logs::LogOptions;
use crate::plugin::PluginOptions;

/// What a plugin needs beyond what all do, which is to look at `/sys` and list `/dev`, and to have sockets in the kubelet's
/// folder. It is the same for all of a plugin's flags, as these may change while it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Files of CDI.
    pub cdi: bool,
    /// Paths of the node below which it writes to what is there.
    pub writes: &'static [&'static str],
    /// Files that it reads, of this process's own system.
    pub reads: &'static [&'static str],
    /// Whether it asks a server by TCP.
    pub connects: bool,
}

impl Needs {
    /// Nothing beyond.
    pub const NONE: Self = Self { cdi: false, writes: &[], reads: &[], connects: false };
    /// Files of CDI.
    pub const CDI: Self = Self { cdi: true, ..Self::NONE };
}

/// The flag `-confine`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Confinement {
    /// As far as the kernel has it.
    #[default]
    On,
    /// Not at all.
    Off,
    /// A refused system call ends the process.
    Strict,
}

impl Confinement {
    /// Adds it.
    pub fn add_flag<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.value(
            "confine",
            self,
            "give up what is not needed, by Landlock and seccomp where the kernel has them: on, off, or strict (a refused system \
             call ends the process)",
        );
    }
}

impl Value for Confinement {
    fn kind(&self) -> &'static str {
        "string"
    }

    fn set(&mut self, word: &str) -> Result<(), String> {
        *self = match word {
            "on" | "true" => Self::On,
            "off" | "false" => Self::Off,
            "strict" => Self::Strict,
            _ => return Err("it is on, off or strict".to_owned()),
        };
        Ok(())
    }

    fn shown(&self) -> Option<String> {
        let word = match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Strict => "strict",
        };
        Some(format!("{word:?}"))
    }
}

/// What holds for this process.
#[derive(Debug, Clone)]
pub struct Confined(Report);

impl Confined {
    /// Gives up what plugins with these needs do not need. It must come before the first thread is started; nothing else of a
    /// plugin has to. `rules` say what the process needs beside its plugins.
    pub fn new(options: &PluginOptions, host: &Host, needs: &[Needs], mut rules: Rules) -> Self {
        if options.confinement != Confinement::Off {
            add_rules(&mut rules, &options.paths(), host, needs);
            rules.listens_on = options.status_address().ok().flatten().map(|address| address.port());
        }
        Self::by(options.confinement, &options.logs, rules)
    }

    /// The same by these rules, for what is no plugin; what its log needs is added.
    pub fn by(confinement: Confinement, logs: &LogOptions, mut rules: Rules) -> Self {
        let strictness = match confinement {
            Confinement::On => Strictness::Refuse,
            Confinement::Strict => Strictness::Kill,
            Confinement::Off => {
                tracing::debug!("not confined: -confine=off");
                let off = || Err("-confine=off".to_owned());
                return Self(Report { landlock: off(), seccomp: off() });
            }
        };
        logs.add_rules(&mut rules);
        let report = confine::confine(&rules, strictness);
        for (what, outcome) in
            [("files, by Landlock", &report.landlock), ("calls, by seccomp", &report.seccomp)]
        {
            match outcome {
                Ok(how) => tracing::debug!("confined in its {what}: {how}"),
                Err(why) => tracing::debug!("not confined in its {what}: {why}"),
            }
        }
        Self(report)
    }

    /// Whether files other than those of the rules are refused now.
    pub fn in_its_files(&self) -> bool {
        self.0.landlock.is_ok()
    }

    /// Adds what is in force to the page of metrics.
    pub fn show(&self, figures: &mut Figures) {
        for (by, outcome) in [("landlock", &self.0.landlock), ("seccomp", &self.0.seccomp)] {
            figures.gauge(
                "device_plugin_confined",
                "Whether the process has given up what it does not need.",
                &[("by", by)],
                u8::from(outcome.is_ok()),
            );
        }
    }
}

fn add_rules(rules: &mut Rules, paths: &Paths, host: &Host, needs: &[Needs]) {
    rules.allow(host.outside("/sys"), Access::Read);
    let of_devices = if host.is_simulated() {
        // Plain files stand in for device nodes. If the other cannot be made, opening it later says why.
        drop(uevent::make_simulated_file(host));
        rules.allow(host.outside(uevent::SIMULATED_FILE), Access::Read);
        Access::Read
    } else {
        Access::List
    };
    rules.allow(host.outside("/dev"), of_devices);
    for folder in [above(&paths.kubelet), &paths.kubelet] {
        rules.allow(folder, Access::Sockets);
    }
    if needs.iter().any(|needs| needs.cdi) {
        // Where it cannot be made, it cannot be written to, and each try to says so.
        drop(std::fs::create_dir_all(&paths.cdi));
        rules.allow(&paths.cdi, Access::Keep);
    }
    for needs in needs {
        for path in needs.writes {
            rules.allow(host.outside(path), Access::Write);
        }
        rules.allow_all(needs.reads, Access::Read);
        if needs.connects {
            rules.connects = Connects::Anywhere;
        }
    }
}

/// The folder that holds `folder`, as that may be made later, and removed and made again. In a container nothing else is there.
fn above(folder: &Path) -> &Path {
    let above = folder.ancestors().skip(1).find(|above| above.is_dir());
    above.filter(|above| *above != Path::new("/")).unwrap_or(folder)
}
