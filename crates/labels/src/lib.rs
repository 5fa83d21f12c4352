//! Node labels in files that node-feature-discovery reads from its folder `features.d`: one `key=value` a line
//! (<https://kubernetes-sigs.github.io/node-feature-discovery/stable/usage/customization-guide.html#local-feature-source>).
//!
//! ```
//! let mut labels = labels::Labels::default();
//! labels.insert("example.com/count", "2")?;
//! labels.insert_chunks("example.com/links", "0.0-1.0_0.1-1.1")?;
//! assert_eq!(labels.text(), "example.com/count=2\nexample.com/links=0.0-1.0_0.1-1.1\n");
//! # Ok::<(), labels::LabelError>(())
//! ```

mod chunks;
mod file;
mod set;

pub use chunks::chunks;
pub use file::{FileError, check_name, remove, write, write_until};
pub use set::{LabelError, Labels};

/// No value of a label is longer, in bytes.
pub const MAX_VALUE: usize = 63;
