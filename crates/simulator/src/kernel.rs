//! What the kernel of a simulated node does when an attribute is written to.

mod dlb;
mod drivers;
mod faults;
mod idxd;
mod machine;
mod number;
mod pci;
mod qat;
mod sriov;
mod vfio;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use host::{Attributes, Host};

use crate::SimulatedNode;
use faults::Fault;
use machine::{Machine, Memory};

/// A simulated node that reacts to writes as Linux does: drivers are bound, virtual functions appear, queues are enabled,
/// and what cannot be is refused with the kernel's error. An attribute without a behaviour of its own holds what was written.
///
/// What the node shows is all that this kernel knows, so that tests can change it in any way: a function is bound if it has
/// a link `driver`.
///
/// - **PCI** (`drivers/pci/{pci-driver,pci-sysfs,iov}.c`, `drivers/base/{bus,dd}.c`): `driver_override`; `bind`, `unbind`,
///   `new_id` and `remove_id` of drivers; `drivers_probe` of the bus (template `pci-bus`); `sriov_numvfs` and
///   `sriov_drivers_autoprobe`. When a driver is unbound, all folders below the function go, with their device nodes; what
///   comes when one is bound is made for QAT, DSA, IAA, DLB and VFIO only. A driver that is not one of those knows the kinds
///   of functions that it had in the beginning.
/// - **QAT** (`drivers/crypto/intel/qat/qat_common`): `qat/state`, `qat/cfg_services`, `qat/auto_reset`. All virtual
///   functions are enabled, however many are asked for. Taking the physical function down removes them; Linux would wait for
///   a process that has one open on VFIO. `EBUSY` is for a function that the kernel itself encrypts with, for which tests
///   have [`refuse`](Self::refuse).
/// - **DSA and IAA** (`drivers/dma/idxd` of Linux 6.7): attributes of devices, groups, engines and work queues; `bind` and
///   `unbind` of the drivers of bus `dsa`, with `cmd_status`. Of what hardware checks, it checks the sizes and priorities of
///   queues, and that a group with queues has an engine.
/// - **DLB** (`drivers/misc/dlb2` of the out-of-tree driver): `vfN_resources`.
#[derive(Debug)]
pub struct Kernel {
    node: Mutex<SimulatedNode>,
    memory: Mutex<Memory>,
    written: Mutex<Vec<(PathBuf, String)>>,
    faults: Mutex<Vec<Fault>>,
}

impl Kernel {
    /// The node gets a kernel, of the newest release that is known here.
    pub fn run(mut node: SimulatedNode) -> Arc<Self> {
        let mut memory = Memory::of(&node.host());
        // A node that is damaged already is as good to start with.
        let _ = Machine { node: &mut node, memory: &mut memory }.list_all_members();
        let (node, memory) = (Mutex::new(node), Mutex::new(memory));
        Arc::new(Self { node, memory, written: Mutex::default(), faults: Mutex::default() })
    }

    /// From now on, the kernel behaves as that release, such as `(6, 7)`. Those before 6.16 keep the services of a QAT in the
    /// order in which they were written, and take only the orders they list; those before 6.8 cannot disable its virtual
    /// functions by their number. Those before 6.6 keep `prs_disable` of a work queue that is disabled.
    pub fn behave_as(&self, release: (u16, u16)) {
        lock(&self.memory).release = release;
    }

    /// The node, as programs see it: what they write reaches this kernel.
    pub fn host(self: &Arc<Self>) -> Host {
        self.node().host().with_attributes(Arc::<Self>::clone(self))
    }

    /// The node itself, to change it behind the programs' backs.
    pub fn node(&self) -> MutexGuard<'_, SimulatedNode> {
        lock(&self.node)
    }

    /// All that was written so far, in order, refused or not: the attribute, without links, and the value.
    pub fn written(&self) -> Vec<(PathBuf, String)> {
        lock(&self.written).clone()
    }

    /// [`written`](Self::written) begins anew.
    pub fn forget_written(&self) {
        lock(&self.written).clear();
    }

    /// From now on, writes fail whose path, or `PATH=VALUE`, ends like this.
    pub fn refuse(&self, end: &str, error: io::ErrorKind) {
        lock(&self.faults).push(Fault::of_all(end, Some(error)));
    }

    /// The write of this kind that comes after so many others of it fails; later ones do not. Every path ends with the empty
    /// text.
    pub fn refuse_once(&self, end: &str, after: usize, error: io::ErrorKind) {
        lock(&self.faults).push(Fault::of_one(end, after, error));
    }

    /// From now on, writes are taken and do nothing whose path, or `PATH=VALUE`, ends like this.
    pub fn ignore(&self, end: &str) {
        lock(&self.faults).push(Fault::of_all(end, None));
    }

    /// From now on, nothing is refused or ignored but for the kernel's own reasons.
    pub fn obey(&self) {
        lock(&self.faults).clear();
    }
}

impl Attributes for Kernel {
    fn write(&self, path: &Path, value: &str) -> io::Result<()> {
        lock(&self.written).push((path.to_owned(), value.to_owned()));
        let (shown, line) = (path.to_string_lossy(), format!("{}={value}", path.display()));
        if let Some(answer) = faults::answer(&mut lock(&self.faults), &shown, &line) {
            return answer;
        }
        // sysfs does not tell an attribute of a write of nothing (`sysfs_kf_write`).
        if value.is_empty() {
            return Ok(());
        }
        Machine { node: &mut self.node(), memory: &mut lock(&self.memory) }.write(path, value)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
