//! The hardware of the simulated node: what is there, since when, and what the kubelet has to say of it.
//!
//! Nothing here comes from the plugins' code: names, NUMA nodes and device nodes are written down beside the words by which
//! the simulator makes each device.

use std::path::Path;
use std::time::Instant;

use simulator::{Profile, SimulatedNode, SimulatorError};

use crate::oracle::{Lists, Seen};

/// How many times of coming and going are remembered of a device: more than happen while a question is answered.
const REMEMBERED: usize = 64;

/// The buses of the GPUs, with their NUMA nodes.
const GPU_BUSES: [(u8, i64); 8] =
    [(0x15, 0), (0x26, 0), (0x37, 0), (0x48, 0), (0x97, 1), (0xa6, 1), (0xb7, 1), (0xc8, 1)];

/// What does not come and go.
const BASE: &str = r"title A node for chaos
use numa-node node=0 cpus=0-3
use numa-node node=1 cpus=4-7
use drm
use pci-driver driver=i915
use pci-driver driver=4xxx
use pci-bus
use pci-driver driver=intel_vpu
use vfio
use idxd
use qat-pf as=qat0 at=pci0000:6b pci=0000:6b:00.0 group=1000 vfs=4 services=sym;asym numa=0
use dsa as=dsa0 id=0 at=pci0000:6a pci=0000:6a:01.0 group=1068 numa=1 engines0=engine0.0 queues0=wq0.0\x20wq0.1\x20wq0.2\x20wq0.3\x20wq0.4\x20wq0.5
";

/// One device that comes and goes.
#[derive(Debug)]
pub(crate) struct Part {
    /// In the simulator.
    pub(crate) name: String,
    /// By which the simulator makes it.
    words: String,
    /// The resource that it is one of, by its full name.
    pub(crate) resource: String,
    /// By which the kubelet knows it.
    pub(crate) id: String,
    numa: Vec<i64>,
    /// What a container that gets it finds in `/dev`, sorted.
    pub(crate) nodes: Vec<String>,
    /// When it came, and when it was gone again. From the moment before it is made to the moment after it is removed, so that
    /// nobody is blamed for a moment of doubt.
    times: Vec<(Instant, Option<Instant>)>,
    /// When all of it was there last.
    pub(crate) made: Instant,
}

/// Which families the node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Families {
    Gpu,
    All,
}

/// A simulated node and its devices.
#[derive(Debug)]
pub(crate) struct Hardware {
    node: SimulatedNode,
    pub(crate) parts: Vec<Part>,
}

impl Hardware {
    /// A node in `folder` with all its devices.
    pub(crate) fn new(folder: &Path, families: Families) -> Result<Self, SimulatorError> {
        let mut parts: Vec<Part> =
            GPU_BUSES.iter().zip(0..).map(|((bus, numa), card)| gpu(*bus, *numa, card)).collect();
        if families == Families::All {
            parts.extend((0..6).map(queue));
            parts.extend((0..4).map(function));
            parts.push(npu());
        }
        let lines = parts.iter().map(|part| format!("use {}\n", part.words));
        let profile = Profile::parse("chaos", &(BASE.to_owned() + &lines.collect::<String>()))?;
        let node = SimulatedNode::create_with_stand_ins(folder, &profile)?;
        Ok(Self { node, parts })
    }

    pub(crate) fn root(&self) -> &Path {
        self.node.root()
    }

    pub(crate) fn is_there(&self, part: usize) -> bool {
        self.parts.get(part).is_some_and(Part::is_there)
    }

    /// Plugs it in if it is not there, and else pulls it out.
    pub(crate) fn toggle(&mut self, part: usize) -> Result<(), SimulatorError> {
        let Some(part) = self.parts.get_mut(part) else { return Ok(()) };
        if part.is_there() {
            self.node.remove(&part.name)?;
            if let Some((_, gone)) = part.times.last_mut() {
                *gone = Some(Instant::now());
            }
        } else {
            let excess = part.times.len().saturating_sub(REMEMBERED - 1);
            part.times.drain(..excess);
            part.times.push((Instant::now(), None));
            self.node.add(&part.words)?;
            part.made = Instant::now();
        }
        Ok(())
    }

    /// What the kubelet has to know when all is quiet.
    pub(crate) fn lists(&self) -> Lists {
        let mut lists = Lists::new();
        for part in self.parts.iter().filter(|part| self.node.devices().any(|device| device == part.name)) {
            let seen = Seen { healthy: true, numa: part.numa.clone() };
            lists.entry(part.resource.clone()).or_default().insert(part.id.clone(), seen);
        }
        lists
    }
}

impl Part {
    fn new(
        name: String,
        words: String,
        resource: &str,
        id: String,
        numa: Vec<i64>,
        nodes: Vec<String>,
    ) -> Self {
        let made = Instant::now();
        Self { name, words, resource: resource.to_owned(), id, numa, nodes, times: vec![(made, None)], made }
    }

    fn is_there(&self) -> bool {
        self.times.last().is_some_and(|(_, gone)| gone.is_none())
    }

    /// Whether it was there at some moment between these.
    pub(crate) fn was_there(&self, from: Instant, to: Instant) -> bool {
        self.times.iter().any(|(came, gone)| *came <= to && gone.is_none_or(|gone| gone >= from))
    }
}

fn gpu(bus: u8, numa: i64, card: u8) -> Part {
    let (name, render) = (format!("card{card}"), u32::from(card) + 128);
    let words = format!(
        "max-1550 as={name} at=pci0000:{bus:02x} pci=0000:{bus:02x}:00.0 card={card} render={render} bus={} mei={card} \
         numa={numa}",
        u32::from(bus) << 8
    );
    let nodes = vec![format!("/dev/dri/card{card}"), format!("/dev/dri/renderD{render}")];
    Part::new(name, words, "gpu.intel.com/i915", format!("card{card}-0"), vec![numa], nodes)
}

fn queue(number: u8) -> Part {
    let (name, mode) = (format!("wq0.{number}"), if number < 3 { "dedicated" } else { "shared" });
    let words = format!(
        "idxd-wq-user as={name} kind=dsa name=dsa0 wq=0.{number} at=pci0000:6a pci=0000:6a:01.0 mode={mode} major=236 \
         minor={number}"
    );
    let nodes = vec![format!("/dev/char/236:{number}"), format!("/dev/dsa/{name}")];
    let (resource, id) = (format!("dsa.intel.com/wq-user-{mode}"), format!("wq-user-{mode}-{name}-0"));
    Part::new(name, words, &resource, id, vec![1], nodes)
}

fn function(number: u32) -> Part {
    let (address, group) = (format!("0000:6b:00.{}", number + 1), 1001 + number);
    let name = format!("qat0-vf{number}");
    let words = format!(
        "qat-vf-vfio as={name} at=pci0000:6b pf=0000:6b:00.0 vf={number} pci={address} group={group} numa=0"
    );
    let nodes = vec![format!("/dev/vfio/{group}"), "/dev/vfio/vfio".to_owned()];
    Part::new(name, words, "qat.intel.com/cy", address, vec![0], nodes)
}

fn npu() -> Part {
    let words = "npu as=npu0 device=0x643e group=900 accel=0".to_owned();
    let nodes = vec!["/dev/accel/accel0".to_owned()];
    Part::new("npu0".to_owned(), words, "npu.intel.com/accel", "accel0-0".to_owned(), Vec::new(), nodes)
}
