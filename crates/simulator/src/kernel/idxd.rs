//! DSA and IAA (`drivers/dma/idxd`): their drivers on the bus of PCI and on their own, `dsa`.

mod attributes;
mod device;
mod groups;
mod queue;
mod settings;

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::drivers::IAA_IDS;
use super::machine::{Done, Machine, ensure, refuse};
use super::number;
use super::pci::Function;

/// On the bus `dsa`.
const DEVICES: &str = "/sys/bus/dsa/devices";
const DRIVERS: &str = "/sys/bus/dsa/drivers";

/// How many work queues each has (`max_work_queues`).
const QUEUES: u32 = 8;

/// An accelerator or one of its work queues: what drivers can be bound to.
#[derive(Debug)]
struct Part {
    /// Its folder below `/sys/devices`.
    folder: PathBuf,
    /// `dsa0` or `wq0.1`.
    name: String,
    is_queue: bool,
}

impl Part {
    fn attribute(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The accelerator's folder.
    fn device(&self) -> &Path {
        if self.is_queue { self.folder.parent().unwrap_or(&self.folder) } else { &self.folder }
    }
}

impl Machine<'_> {
    /// Groups of all accelerators show their members.
    pub(super) fn list_all_members(&mut self) -> Done {
        let names = self.names(Path::new(DEVICES));
        let devices = names.iter().filter_map(|name| self.part(name)).filter(|part| !part.is_queue);
        let devices: Vec<Part> = devices.collect();
        devices.iter().try_for_each(|part| self.list_members(&part.folder))
    }

    /// The driver takes a function: an accelerator appears, disabled and not configured.
    pub(super) fn start_idxd(&mut self, function: &Function) -> Done {
        let is_iaa = self.ids_of(function).is_some_and(|(_, device)| IAA_IDS.contains(&device));
        // Both kinds are numbered together.
        let names = self.names(Path::new(DEVICES)).into_iter();
        let numbers = names.filter_map(|name| Some(accelerator_number(&name)?.to_string()));
        let id = number::first_free("", &numbers.collect::<Vec<_>>());
        let (template, kind) = if is_iaa { ("iaa-device", "iax") } else { ("dsa-device", "dsa") };
        let place = format!("at={} pci={}", function.at(), function.address);
        let numa = self.read(&function.attribute("numa_node")).unwrap_or_else(|| "-1".to_owned());
        let words = format!("{template} id={id} {place} numa={numa} state=disabled engine-group=-1");
        self.graft(&function.folder, &words)?;
        for queue in 0..QUEUES {
            let words = format!("idxd-wq name={kind}{id} wq={id}.{queue} {place} mode=shared");
            self.graft(&function.folder, &words)?;
        }
        Ok(())
    }

    /// Whether `name` below a function is an accelerator.
    pub(super) fn is_accelerator(&self, function: &Function, name: &str) -> bool {
        accelerator_number(name).is_some() && self.exists(function.attribute(name).join("state"))
    }

    /// `bind` and `unbind` of the bus `dsa`. The driver `dsa` stands for all of them (`compat.c`), or is the only one: before
    /// Linux 5.15 there were no others.
    pub(super) fn write_to_dsa_driver(&mut self, driver: &str, file: &str, value: &str) -> Done {
        let Some(part) = self.part(value) else { return refuse(Errno::NODEV) };
        let bound = self.bound_driver(&part);
        if file == "unbind" {
            return match bound {
                Some(bound) if bound == driver || driver == "dsa" => self.unbind_part(&part, &bound),
                _ => refuse(Errno::NODEV),
            };
        }
        let driver = if driver == "dsa" {
            ensure(bound.is_none(), Errno::NODEV)?;
            self.usual_driver(&part)
        } else {
            Some(driver.to_owned())
        };
        let Some(driver) = driver.filter(|driver| driver == "dsa" || (driver == "idxd") != part.is_queue)
        else {
            return refuse(Errno::NODEV);
        };
        ensure(bound.is_none(), Errno::BUSY)?;
        if part.is_queue {
            let role = if driver == "dsa" { self.role(&part) } else { Some(&*driver) };
            let Some(role) = role else { return refuse(Errno::NODEV) };
            self.enable_queue(&part, role)?;
        } else {
            self.enable_device(&part)?;
        }
        let (pci, path) = self.place_of(&part);
        let words = format!("dsa-bound {pci} path={path} device={} driver={driver}", part.name);
        self.graft(&part.folder, &words)?;
        self.announce("bind", "dsa", &part.folder, &[("DRIVER", &driver), ("MODALIAS", "dsa:t0")])
    }

    fn unbind_part(&mut self, part: &Part, driver: &str) -> Done {
        if part.is_queue {
            self.disable_queue(part)?;
        } else {
            self.disable_device(part)?;
        }
        let bound = Path::new(DRIVERS).join(driver).join(&part.name);
        self.cut(&[part.attribute("driver"), bound])?;
        self.announce("unbind", "dsa", &part.folder, &[("MODALIAS", "dsa:t0")])
    }

    fn part(&self, name: &str) -> Option<Part> {
        let name = name.strip_suffix('\n').unwrap_or(name);
        let is_queue = name.starts_with("wq");
        if !is_queue && accelerator_number(name).is_none() {
            return None;
        }
        let folder = self.node.host().resolve(Path::new(DEVICES).join(name)).ok()?;
        Some(Part { folder, name: name.to_owned(), is_queue })
    }

    /// What is enabled has a driver, even where the node does not show the link.
    fn bound_driver(&self, part: &Part) -> Option<String> {
        self.link_name(&part.attribute("driver")).or_else(|| {
            let is_on = self.read(&part.attribute("state")).as_deref() == Some("enabled");
            if is_on { self.usual_driver(part) } else { None }
        })
    }

    /// What a part is bound to if nobody says to what.
    fn usual_driver(&self, part: &Part) -> Option<String> {
        let has = |driver: &str| self.exists(Path::new(DRIVERS).join(driver));
        let driver = if has("idxd") { self.role(part)? } else { "dsa" };
        has(driver).then(|| driver.to_owned())
    }

    /// The driver for what a part is.
    fn role(&self, part: &Part) -> Option<&'static str> {
        match self.read(&part.attribute("type")).as_deref() {
            _ if !part.is_queue => Some("idxd"),
            Some("kernel") => Some("dmaengine"),
            Some("user") => Some("user"),
            _ => None,
        }
    }

    /// `at=.. pci=..` of the function, and the path below its folder.
    fn place_of(&self, part: &Part) -> (String, String) {
        match self.function_above(&part.folder) {
            Some((function, path)) => (format!("at={} pci={}", function.at(), function.address), path),
            None => (String::new(), String::new()),
        }
    }

    /// The attributes of the accelerator's parts whose names begin like this, in the order of their numbers.
    fn parts(&self, device: &Path, kind: &str) -> Vec<PathBuf> {
        let names = self.names(device).into_iter();
        let number = |name: String| {
            let number: u32 = name.strip_prefix(kind)?.split_once('.')?.1.parse().ok()?;
            Some((number, device.join(name)))
        };
        let mut parts: Vec<(u32, PathBuf)> = names.filter_map(number).collect();
        parts.sort_unstable();
        parts.into_iter().map(|(_, path)| path).collect()
    }

    fn is_configurable(&self, device: &Path) -> bool {
        self.read(&device.join("configurable")).as_deref() != Some("0")
    }

    fn shows(&self, path: &Path, value: &str) -> bool {
        self.read(path).as_deref() == Some(value)
    }
}

/// The number of `dsa0` or `iax1`.
fn accelerator_number(name: &str) -> Option<u32> {
    ["dsa", "iax"].iter().find_map(|word| host::number_of(name, word))
}
