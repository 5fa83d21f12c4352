//! A GPU as labels need it, from `class/drm` of sysfs.

use std::path::{Path, PathBuf};

use cli::flags::Value as _;
use device_plugin::error_chain;
use host::{Host, HostError, Reads, number_of};

use crate::Settings;

const INTEL: &str = "0x8086";
/// The kernel has no more NUMA nodes than this on any architecture.
const MAX_NODE: i64 = 1023;

/// What is read of a node, for recordings.
pub(crate) const READS: &[Reads] = &[
    Reads::of("/sys/class/drm/card#", &["lmem_total_bytes", "gt/gt#", "device/tile#"]),
    Reads::of("/sys/class/drm/card#/device", &["vendor", "numa_node", "sriov_numvfs", "drm/card#"]),
];

/// One that counts.
pub(crate) struct Gpu {
    /// `card0`.
    pub(crate) name: String,
    pub(crate) tiles: u64,
    /// In bytes, without what is reserved.
    pub(crate) memory: u64,
    pub(crate) numa_node: Option<i64>,
    /// `pci0000:00/0000:00:02.0`: what it shares with others of its group.
    pub(crate) group: Option<String>,
}

impl Gpu {
    /// All GPUs of Intel's in byte order of their names, but physical functions whose virtual functions are there instead.
    pub(crate) fn all(
        host: &Host,
        class: &Path,
        settings: &Settings,
        warn: &mut impl FnMut(String),
    ) -> Result<Vec<Self>, HostError> {
        let names = host.names(class)?.into_iter().filter(|name| number_of(name, "card").is_some());
        let mut gpus = Vec::new();
        for name in names {
            let card = class.join(&name);
            match is_wanted(host, &name, &card, warn) {
                Ok(true) => gpus.push(Self::of(host, name, &card, settings, warn)),
                Ok(false) => {}
                Err(error) => warn(format!("{name} is left out: {}", error_chain(&error))),
            }
        }
        Ok(gpus)
    }

    fn of(
        host: &Host,
        name: String,
        card: &Path,
        settings: &Settings,
        warn: &mut impl FnMut(String),
    ) -> Self {
        let tiles = tiles(host, card);
        let memory = memory(host, card, tiles, settings).unwrap_or_else(|error| {
            let bytes = settings.memory_override;
            if bytes == 0 {
                warn(format!(
                    "the memory of {name} counts as 0, unless GPU_MEMORY_OVERRIDE says more: {error}"
                ));
            }
            bytes
        });
        let numa_node = host.parse::<i64>(card.join("device/numa_node"), "a NUMA node");
        let numa_node = numa_node.ok().filter(|node| (0..=MAX_NODE).contains(node));
        let group = host.resolve(card).ok().and_then(|path| group(&path, settings.pci_grouping_level));
        Self { name, tiles, memory, numa_node, group }
    }

    /// `0` of `card0`.
    pub(crate) fn number(&self) -> &str {
        self.name.trim_start_matches("card")
    }
}

/// An error is for the admin: this may be a GPU that should count.
fn is_wanted(host: &Host, name: &str, card: &Path, warn: &mut impl FnMut(String)) -> Result<bool, HostError> {
    let device = card.join("device");
    match host.read(device.join("vendor")) {
        Ok(vendor) if vendor == INTEL => {}
        Ok(_) => return Ok(false),
        // A card that is on no bus with vendors: a frame buffer of the firmware, or a virtual card.
        Err(error) if error.is_not_found() => return Ok(false),
        Err(error) => return Err(error),
    }
    let functions = host.parse::<u16>(device.join("sriov_numvfs"), "a number of virtual functions");
    match functions {
        Ok(1..) => return Ok(false),
        Ok(0) => {}
        // It can't have any.
        Err(error) if error.is_not_found() => {}
        Err(error) => {
            warn(format!("{name} is taken for a GPU without virtual functions: {}", error_chain(&error)));
        }
    }
    host.names(device.join("drm")).map(|_| true)
}

/// i915 has one folder for each GT, of which a tile has one; xe has one for each tile.
fn tiles(host: &Host, card: &Path) -> u64 {
    let count = |folder: &str, word: &str| {
        let names = host.names(card.join(folder)).unwrap_or_default();
        names.iter().filter(|name| number_of(name, word).is_some()).count() as u64
    };
    (count("gt", "gt") + count("device", "tile")).max(1)
}

/// What i915 says, which is for one tile. The error says why nothing is known.
fn memory(host: &Host, card: &Path, tiles: u64, settings: &Settings) -> Result<u64, String> {
    let file: PathBuf = card.join("lmem_total_bytes");
    let text = host.read(&file).map_err(|error| error_chain(&error))?;
    let mut bytes: u64 = 0;
    bytes.set(&text).map_err(|error| format!("{} is {text:?}: {error}", file.display()))?;
    Ok(bytes.saturating_mul(tiles).saturating_sub(settings.memory_reserved))
}

/// `level` parts of the path, beginning with the PCI root; `None` if there are not so many.
fn group(path: &Path, level: u64) -> Option<String> {
    let level = usize::try_from(level).ok().filter(|level| *level > 0)?;
    let parts = path.iter().map(|part| part.to_string_lossy());
    let parts: Vec<_> = parts.skip_while(|part| !part.starts_with("pci")).take(level).collect();
    (parts.len() == level).then(|| parts.join("/"))
}
