//! The command line of `simulate`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use cli::flags::Value;
use cli::{FlagSet, LogOptions, Stop};
use device_plugin::pod_resources::SOCKET;
use host::Host;

use crate::plugin_flags::PluginFlags;

/// What to simulate and what to show.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Debug)]
pub(crate) struct Options {
    /// A built-in profile, or a file.
    pub(crate) profile: String,
    pub(crate) list_profiles: bool,
    pub(crate) json: bool,
    pub(crate) watch: bool,
    /// Where to make the node; a temporary folder when empty.
    pub(crate) dir: String,
    /// What each container asks for; one of each resource when empty.
    pub(crate) allocate: Containers,
    pub(crate) plugin_flags: PluginFlags,
    /// Where to serve the links between GPUs; not when 0.
    pub(crate) xpum_port: u64,
    /// Show the plugins' logs.
    pub(crate) logs: bool,
    pub(crate) log_options: LogOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profile: "arc-b580-igpu".to_owned(),
            list_profiles: false,
            json: false,
            watch: false,
            dir: String::new(),
            allocate: Containers::default(),
            plugin_flags: PluginFlags::default(),
            xpum_port: 0,
            logs: false,
            log_options: LogOptions::default(),
        }
    }
}

impl Options {
    pub(crate) fn parse(args: Vec<OsString>) -> Result<Self, Stop> {
        let mut options = Self::default();
        let mut flags = FlagSet::new(
            "intel-device-plugins simulate",
            "Runs the device plugins on a simulated node with an embedded kubelet, and shows what the node offers and what a \
             container is given. Needs no hardware, no cluster and no root.",
        );
        flags.string(
            "profile",
            &mut options.profile,
            "simulated node: a name from -list-profiles, or a file; those of gpu-fakedev end with .json",
        );
        flags.bool("list-profiles", &mut options.list_profiles, "list the simulated nodes and exit");
        flags.value(
            "allocate",
            &mut options.allocate,
            "start a container that asks for resource=count[,resource=count]; repeat it for more containers",
        );
        flags.bool(
            "watch",
            &mut options.watch,
            "stay and show changes: edit the node's files and see what happens",
        );
        flags.bool("json", &mut options.json, "print JSON");
        flags.string("dir", &mut options.dir, "make the node in this new or empty folder and keep it");
        flags.value(
            "plugin-flags",
            &mut options.plugin_flags,
            "flags for one plugin, such as 'gpu: -shared-dev-num=2'; repeat it for more plugins",
        );
        flags.uint(
            "xpum-port",
            &mut options.xpum_port,
            "with -watch, serve the links between GPUs as XPU Manager's metrics on this port of 127.0.0.1; 0: do not",
        );
        flags.bool("logs", &mut options.logs, "show the plugins' logs on standard error");
        options.log_options.add_flags(&mut flags);
        flags.parse_all(args)?;
        Ok(options)
    }

    /// Where the kubelet tells which pod has which device, for `top -root`: in a node that stays and is watched, unless its
    /// path is too long for a socket.
    pub(crate) fn pod_resources(&self, host: &Host) -> Option<PathBuf> {
        const LONGEST: usize = 107;
        let socket = host.outside(SOCKET);
        let is_served = self.watch && !self.dir.is_empty() && socket.as_os_str().len() <= LONGEST;
        is_served.then_some(socket)
    }
}

/// What containers ask for: `-allocate` for each, as `resource=count,...`.
#[derive(Debug, Default)]
pub(crate) struct Containers(pub(crate) Vec<BTreeMap<String, usize>>);

impl Value for Containers {
    fn kind(&self) -> &'static str {
        "requests"
    }

    fn set(&mut self, text: &str) -> Result<(), String> {
        let mut requests = BTreeMap::new();
        for request in text.split(',') {
            let (resource, count) = request.split_once('=').unwrap_or((request, "1"));
            let count =
                count.trim().parse().map_err(|e| format!("{count:?} is no number of devices: {e}"))?;
            if !resource.contains('/') {
                return Err(format!("{resource:?} is no resource such as vendor.com/name"));
            }
            requests.insert(resource.trim().to_owned(), count);
        }
        self.0.push(requests);
        Ok(())
    }

    fn shown(&self) -> Option<String> {
        None
    }
}
