//! Simulated nodes, for tests and for trying things on a laptop.
//!
//! A [`SimulatedNode`] is a folder that looks like the `/sys`, `/dev`, `/proc` and `/var` of a node, made from a
//! [`Profile`] and changed while programs look at it through [`host::Host`]. It needs no privileges.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! use simulator::{Profile, SimulatedNode};
//!
//! let mut node = SimulatedNode::create(folder.path(), &Profile::builtin("flex-170-x2")?)?;
//! assert_eq!(node.host().read("/sys/class/drm/card0/device/vendor")?, "0x8086");
//! node.remove("card0")?;
//! assert!(!node.host().exists("/dev/dri/card0"));
//! # Ok(())
//! # }
//! ```

mod error;
mod golden;
mod kernel;
pub mod kubelet;
mod listing;
mod node;
mod profile;
mod recording;
mod shown;
mod tree;

pub use error::SimulatorError;
pub use golden::golden;
pub use kernel::Kernel;
pub use listing::listing;
pub use node::{Damage, Ruin, SimulatedNode, TemporaryNode};
pub use profile::Profile;
pub use recording::{TooMuch, UNREADABLE, record};
pub use shown::shown;
