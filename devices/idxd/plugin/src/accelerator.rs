//! An accelerator, `dsa0` or `iax1`: where it is, and whether it works
//! (`Documentation/ABI/stable/sysfs-driver-dma-idxd`).

use device_plugin::{Expectation, Health, error_chain, numa_or_nowhere};
use host::{Folder, Host, HostError};

/// Where accelerators and queues are.
pub(crate) const BUS: &str = "/sys/bus/dsa/devices";
/// What the `state` of a working accelerator, and of a queue that can be used, says.
pub(crate) const ENABLED: &str = "enabled";

/// What the hardware answers to a command that it failed at: `IDXD_CMDSTS_HW_ERR` in `drivers/dma/idxd/registers.h`. All
/// other answers find fault with the command.
const HARDWARE_ERROR: u32 = 3;
/// The driver itself refused a configuration: `IDXD_SCMD_SOFTERR_MASK` in `include/uapi/linux/idxd.h`.
const BY_DRIVER: u32 = 0x8000_0000;

/// What all queues of an accelerator have in common.
#[derive(Debug)]
pub(crate) struct Accelerator {
    /// With its queues in it.
    pub(crate) folder: Folder,
    /// Of it and so of its queues.
    pub(crate) health: Health,
    /// Whether it waits for a reset; the kernel then disables its queues.
    pub(crate) is_halted: bool,
    /// NUMA nodes near it.
    pub(crate) numa: Vec<u32>,
    /// What must hold when one of its queues is handed out.
    pub(crate) expects: Option<Expectation>,
}

impl Accelerator {
    /// Looks at the accelerator `name`, such as `dsa0`.
    ///
    /// Its `errors` are not looked at: they hold the last mistake that some program made, until the next one.
    pub(crate) fn look(host: &Host, name: &str, warn: &mut impl FnMut(String)) -> Result<Self, HostError> {
        let folder = host.folder(format!("{BUS}/{name}"))?;
        let (expects, state) = match folder.read("state") {
            // Trees made for tests may have none.
            Err(error) if error.is_not_found() => (None, Ok(ENABLED.to_owned())),
            read => {
                let path = folder.path().join("state");
                (Some(Expectation::Value { path, value: ENABLED.to_owned() }), read)
            }
        };
        let status = last_command(&folder, name, warn);
        let health = match &state {
            Err(error) => Health::Unhealthy(error_chain(error)),
            Ok(state) if state == ENABLED && status & BY_DRIVER == 0 && status & 0xff == HARDWARE_ERROR => {
                Health::Unhealthy(format!("{name} reports a hardware error (cmd_status {status:#x})"))
            }
            Ok(state) if state == ENABLED => Health::Healthy,
            Ok(state) if status == 0 => Health::Unhealthy(format!("{name} is {state:?}, not {ENABLED}")),
            Ok(state) => {
                Health::Unhealthy(format!("{name} is {state:?}, not {ENABLED} (cmd_status {status:#x})"))
            }
        };
        let is_halted = state.is_ok_and(|state| state == "halted");
        let numa = numa_nodes(host, name, warn);
        Ok(Self { folder, health, is_halted, numa, expects })
    }
}

/// The NUMA nodes near an accelerator; none if they are not known.
pub(crate) fn numa_nodes(host: &Host, name: &str, warn: &mut impl FnMut(String)) -> Vec<u32> {
    // The accelerator's own `numa_node` repeats that of the PCI function above it, but not the function's CPUs, by which a
    // wrong one shows.
    numa_or_nowhere(name, host::numa::nodes_near(host, format!("{BUS}/{name}/..")), warn)
}

/// What the last command to the accelerator ended with; 0 is success.
fn last_command(folder: &Folder, name: &str, warn: &mut impl FnMut(String)) -> u32 {
    let mut unknown = |why: &str| warn(format!("{name}: hardware errors are not known: {why}"));
    match folder.read("cmd_status") {
        Ok(text) => number(&text).unwrap_or_else(|| {
            let path = folder.path().join("cmd_status");
            unknown(&format!("{} says {text:?}, which is no number", path.display()));
            0
        }),
        // Kernels before 5.10 have none.
        Err(error) if error.is_not_found() => 0,
        Err(error) => {
            unknown(&error_chain(&error));
            0
        }
    }
}

/// As `%#x` prints it: `0`, `0x3`, `0x80020000`.
fn number(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let good = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}
