//! What sets DSA and IAA apart, and how a plugin for either is started.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use cli::confinement::Needs;
use cli::plugin::Start;
use device_plugin::{DevicePlugin, error_chain};
use host::{Host, PciId};

use crate::options::{Config, Options};
use crate::queues::QueuePlugin;
use crate::vfio::VfioPlugin;

/// One of the two families of accelerators that the driver `idxd` knows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Family {
    /// Of the family, in commands and messages.
    pub(crate) name: &'static str,
    /// The first sentence of the usage text.
    pub(crate) about: &'static str,
    /// Of the resources.
    pub(crate) namespace: &'static str,
    /// The PCI device ids.
    pub(crate) ids: &'static [PciId],
    /// What the kernel calls an accelerator, before its number.
    pub(crate) device: &'static str,
    /// Where the queues' nodes are.
    pub(crate) nodes: &'static str,
    /// What is watched for nodes, and udev's links to them, that come late.
    pub(crate) folders: &'static [&'static str],
    /// The whole function can be offered, too.
    pub(crate) has_vfio: bool,
}

/// Of DSA and IAA of all generations (`drivers/dma/idxd/init.c`).
pub(crate) const DSAS: &[PciId] = &[PciId(0x0b25), PciId(0x11fb), PciId(0x1212)];
pub(crate) const IAAS: &[PciId] = &[PciId(0x0cfe), PciId(0x1216), PciId(0xb02d), PciId(0xfd2d)];

pub(crate) static DSA: Family = Family {
    name: "dsa",
    about: "Offers the work queues of a node's Intel DSA to Kubernetes.",
    namespace: "dsa.intel.com",
    ids: DSAS,
    device: "dsa",
    nodes: "/dev/dsa",
    folders: &["/dev/dsa", "/dev/char -> ../dsa"],
    has_vfio: true,
};

pub(crate) static IAA: Family = Family {
    name: "iaa",
    about: "Offers the work queues of a node's Intel IAA to Kubernetes.",
    namespace: "iaa.intel.com",
    ids: IAAS,
    device: "iax",
    nodes: "/dev/iax",
    folders: &["/dev/iax", "/dev/char -> ../iax"],
    has_vfio: false,
};

pub(crate) fn main(family: &'static Family, program: &str, args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(family, program, args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    let config = match options.check() {
        Ok(config) => config,
        Err(error) => return cli::refuse(&options.common.logs, error),
    };
    let host = match Host::at(&options.prefix) {
        Ok(host) => host,
        Err(error) => return cli::fatal(format!("-prefix: {}", error_chain(&error))),
    };
    cli::plugin::run(&options.common, host.clone(), Needs::NONE, |_| build(family, &options, config, &host))
}

pub(crate) fn parse(family: &'static Family, flags: &[String]) -> Result<Start, String> {
    let (options, config) = read(family, flags)?;
    Ok(Box::new(move |host, _| build(family, &options, config, host)))
}

pub(crate) fn check(family: &'static Family, flags: &[String]) -> Result<(), String> {
    read(family, flags).map(drop)
}

fn read(family: &'static Family, flags: &[String]) -> Result<(Options, Config), String> {
    let options = Options::parse(family, family.name, flags).map_err(|stop| stop.in_short())?;
    let config = options.check()?;
    Ok((options, config))
}

fn build(family: &'static Family, options: &Options, config: Config, host: &Host) -> Arc<dyn DevicePlugin> {
    for warning in options.warnings() {
        tracing::warn!("{warning}");
    }
    match config {
        Config::Queues { shares } => Arc::new(QueuePlugin::new(family, shares, host)),
        Config::Vfio => Arc::new(VfioPlugin::new(family, host)),
    }
}
