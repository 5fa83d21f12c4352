//! `setup dsa` and `setup iaa`: prepare the accelerators of a node for the plugins, as an init container does. Drivers are
//! bound, and work queues are configured and enabled as a file of accel-config says, through sysfs alone.

mod accelerator;
mod apply;
pub(crate) mod attributes;
mod check;
mod drivers;
mod file;
mod json;
mod layout;
mod options;
mod steps;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use cli::Stop;
use device_plugin::error_chain;
use host::{Host, PciId, Plan};

use crate::family::{DSA, Family, IAA};
use accelerator::Accelerator;
use check::Check;
use file::File;
use options::{Driver, Options};

/// Prepares DSA and ends. `program` is its name in the usage text.
pub fn dsa(program: &str, args: Vec<OsString>) -> ExitCode {
    main(&DSA, program, args)
}

/// Prepares IAA and ends. `program` is its name in the usage text.
pub fn iaa(program: &str, args: Vec<OsString>) -> ExitCode {
    main(&IAA, program, args)
}

fn main(family: &'static Family, program: &str, args: Vec<OsString>) -> ExitCode {
    let setup = match Setup::parse(family, program, args, |name| std::env::var(name).ok()) {
        Ok(setup) => setup,
        Err(stop) => return stop.report(),
    };
    if let Err(error) = cli::logs::start(&setup.options.logs) {
        return cli::fatal(error_chain(&error));
    }
    let host = match Host::at(&setup.options.prefix) {
        Ok(host) => host,
        Err(error) => return cli::fatal(format!("-prefix: {}", error_chain(&error))),
    };
    if setup.run(&host, &mut io::stdout().lock()).errors.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What is to be prepared, and how.
#[derive(Debug)]
pub struct Setup {
    family: &'static Family,
    options: Options,
}

/// What was not as it should be; all of it was logged.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Why something is not prepared, a line each. The rest is.
    pub errors: Vec<String>,
    /// What may not be meant.
    pub warnings: Vec<String>,
}

impl Report {
    fn error(&mut self, error: String) {
        tracing::error!("{error}");
        self.errors.push(error);
    }

    fn warn(&mut self, warning: String) {
        tracing::warn!("{warning}");
        self.warnings.push(warning);
    }
}

impl Setup {
    /// What these flags ask for, for DSA; `environment` is the value of a variable.
    pub fn dsa<I>(args: I, environment: impl Fn(&str) -> Option<String>) -> Result<Self, Stop>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        Self::parse(&DSA, "setup dsa", args, environment)
    }

    /// What these flags ask for, for IAA; `environment` is the value of a variable.
    pub fn iaa<I>(args: I, environment: impl Fn(&str) -> Option<String>) -> Result<Self, Stop>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        Self::parse(&IAA, "setup iaa", args, environment)
    }

    fn parse<I>(
        family: &'static Family,
        program: &str,
        args: I,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Stop>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        Ok(Self { family, options: Options::parse(family, program, args, environment)? })
    }

    /// Prepares a node. With `-dry-run`, only says on `out` what would be written.
    pub fn run(&self, host: &Host, out: &mut dyn Write) -> Report {
        let mut report = Report::default();
        match (self.options.driver(), self.options.pci_ids()) {
            (Ok(driver), Ok(ids)) => {
                let is_bound = self.bind(host, driver, &ids, out, &mut report);
                if driver == Driver::Idxd {
                    self.configure(host, is_bound, out, &mut report);
                }
            }
            (Err(error), _) | (_, Err(error)) => report.error(error),
        }
        report
    }

    /// Gives all functions with these ids the driver. True: one has it now.
    fn bind(
        &self,
        host: &Host,
        driver: Driver,
        ids: &[PciId],
        out: &mut dyn Write,
        report: &mut Report,
    ) -> bool {
        let (functions, errors) = drivers::functions(host, ids);
        for error in errors {
            report.error(error);
        }
        let mut others = Vec::new();
        for function in &functions {
            match function.driver() {
                Ok(bound) if bound == Some(driver.to_string()) => {}
                Ok(_) => others.push(function),
                Err(error) => report.error(format!("{}: {}", function.address(), error_chain(&error))),
            }
        }
        if let Err(error) = drivers::check_loaded(host, driver, &others) {
            report.error(error);
            others.clear();
        }
        for function in others {
            let address = function.address().to_string();
            if !self.family.has_vfio {
                report.warn(format!("{address} is not bound to {driver}, and left as it is"));
                continue;
            }
            let bound = drivers::plan(host, self.family, function, driver).and_then(|plan| {
                self.make(&address, &plan, out, || drivers::apply(host, self.family, function, &plan))
            });
            if let Err(error) = bound {
                report.error(format!("{address} cannot be bound to {driver}: {error}"));
            }
        }
        functions
            .iter()
            .any(|function| matches!(function.driver(), Ok(Some(bound)) if bound == driver.to_string()))
    }

    /// Configures all accelerators that the node has.
    fn configure(&self, host: &Host, is_bound: bool, out: &mut dyn Write, report: &mut Report) {
        let accelerators = match Accelerator::all(host, self.family) {
            Ok(accelerators) => accelerators,
            Err(error) => return report.error(error),
        };
        if accelerators.is_empty() {
            let name = self.family.device;
            if is_bound {
                report.warn(format!(
                    "the driver idxd made no {name} of the PCI functions; see the kernel's log"
                ));
            } else if report.errors.is_empty() {
                tracing::info!("this node has no {name}: nothing to configure");
            }
            return;
        }
        let Options { config_dir, node_name, .. } = &self.options;
        let file = match File::find(self.family, config_dir, node_name) {
            Ok(file) => file,
            Err(error) => return report.error(error),
        };
        tracing::info!("configuring as {} says", file.name);
        let mut unknown = BTreeSet::new();
        for accelerator in &accelerators {
            if let Err(error) = self.one(accelerator, &file, &mut unknown, out, report) {
                report.error(error);
            }
        }
        for name in unknown {
            if !accelerators.iter().any(|accelerator| accelerator.name.device == name) {
                report.error(format!("{}: this node has no {name}", file.name));
            }
        }
    }

    fn one(
        &self,
        accelerator: &Accelerator<'_>,
        file: &File,
        named: &mut BTreeSet<String>,
        out: &mut dyn Write,
        report: &mut Report,
    ) -> Result<(), String> {
        let name = &accelerator.name;
        let mut reading = file.read(self.family, name)?;
        named.append(&mut reading.others);
        for warning in reading.warnings {
            report.warn(warning);
        }
        let Some(mut layout) = reading.layout else {
            tracing::info!("{name} is left as it is: {} does not say how it should be", file.name);
            return Ok(());
        };
        let warnings = Check { accelerator, file: &file.name }.run(&mut layout)?;
        for warning in warnings {
            report.warn(warning);
        }
        let draft = steps::plan(accelerator, &layout)?;
        for warning in draft.warnings {
            report.warn(warning);
        }
        self.make(&name.device, &draft.plan, out, || apply::apply(accelerator, &layout, &draft.plan))
    }

    /// Makes a plan come true, or shows it.
    fn make(
        &self,
        name: &str,
        plan: &Plan,
        out: &mut dyn Write,
        apply: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        if self.options.dry_run {
            let nothing = if plan.is_empty() { ": nothing to write" } else { "" };
            let shown = write!(out, "# {name}{nothing}\n{plan}");
            return shown.map_err(|error| format!("cannot print: {error}"));
        }
        if plan.is_empty() {
            tracing::info!("{name} is as it should be");
            return Ok(());
        }
        apply()?;
        tracing::info!("{name}: done");
        Ok(())
    }
}
