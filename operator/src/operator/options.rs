//! The operator's flags and environment.

use std::ffi::OsString;

use cli::flags::Value;
use cli::{FlagSet, Stop};
use controller::Settings;

use super::ABOUT;
use crate::families::FAMILIES;
use crate::options::Options as Serving;

/// What the command line and the environment say.
#[derive(Debug)]
pub(crate) struct Options {
    /// What all servers of webhooks are told.
    pub(crate) serving: Serving,
    pub(crate) leader_elect: bool,
    pub(crate) metrics_secure: bool,
    namespace: String,
    service_account: String,
    devices: Words,
}

impl Options {
    /// Reads the words after the program's name.
    pub(crate) fn parse(program: &str, args: Vec<OsString>) -> Result<Self, Stop> {
        let mut options = Self {
            serving: Serving::with_metrics_at(":8080"),
            leader_elect: false,
            metrics_secure: false,
            namespace: "kube-system".to_owned(),
            service_account: String::new(),
            devices: Words::default(),
        };
        let about = format!("The operator, to {ABOUT}.");
        let mut flags = FlagSet::new(program, &about);
        flags.bool(
            "leader-elect",
            &mut options.leader_elect,
            "of several replicas only one makes DaemonSets: who has the Lease d1c7b6d5.intel.com of its own namespace. All answer \
             webhooks",
        );
        flags.bool(
            "metrics-secure",
            &mut options.metrics_secure,
            "serve /metrics by HTTPS, and only to those whom the API server knows by their token and allows to get it",
        );
        flags.string(
            "deviceplugin-namespace",
            &mut options.namespace,
            "namespace of the DaemonSets; $DEVICEPLUGIN_NAMESPACE goes before it",
        );
        flags.string(
            "plugin-service-account",
            &mut options.service_account,
            "ServiceAccount in that namespace for plugins that ask about their node (FPGA); without it they ask nothing",
        );
        flags.value(
            "devices",
            &mut options.devices,
            "devices to make DaemonSets for, each by a flag of its own or several in a comma list; all when there is none",
        );
        options.serving.add_flags(&mut flags);
        flags.parse(args)?;
        Ok(options)
    }

    /// The devices that are asked for.
    pub(super) fn devices(&self) -> Result<Devices, String> {
        let mut named: Vec<&str> = Vec::new();
        for word in &self.devices.0 {
            let Some(family) = FAMILIES.iter().find(|family| family.name == word) else {
                let known: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
                return Err(format!("-devices: there is no device {word:?}, only {}", known.join(", ")));
            };
            if named.contains(&family.name) {
                return Err(format!("-devices: {word:?} is there twice"));
            }
            named.push(family.name);
        }
        Ok(Devices(named.into_iter().map(str::to_owned).collect()))
    }

    /// What is the same for all objects.
    pub(super) fn settings(&self) -> Settings {
        Settings {
            namespace: variable("DEVICEPLUGIN_NAMESPACE").unwrap_or_else(|| self.namespace.clone()),
            pull_secret: variable("DEVICEPLUGIN_SECRET"),
            service_account: Some(self.service_account.clone()).filter(|name| !name.is_empty()),
        }
    }
}

/// The value of an environment variable that says something.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The devices whose DaemonSets this operator makes.
pub(super) struct Devices(Vec<String>);

impl Devices {
    /// Whether this is one of them. Without any named, all are.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|device| device == name)
    }
}

/// Words of a flag that may be given several times.
#[derive(Debug, Default)]
struct Words(Vec<String>);

impl Value for Words {
    fn kind(&self) -> &'static str {
        "device,..."
    }

    fn set(&mut self, word: &str) -> Result<(), String> {
        self.0.extend(word.split(',').map(|word| word.trim().to_owned()));
        Ok(())
    }

    fn shown(&self) -> Option<String> {
        None
    }
}
