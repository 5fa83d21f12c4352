//! Writes to attributes: how drivers are bound and devices are configured.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;

use crate::{Host, HostError};

/// What stands in for the kernel of a simulated node: a write to an attribute does something, or is refused.
pub trait Attributes: fmt::Debug + Send + Sync {
    /// `value` is written to the attribute at `path`, which has no links in it. The error is the kernel's.
    fn write(&self, path: &Path, value: &str) -> io::Result<()>;
}

impl Host {
    /// The same node, but writes to its attributes go to `attributes`. Without, they replace the file's content.
    pub fn with_attributes(mut self, attributes: Arc<dyn Attributes>) -> Self {
        self.attributes = Some(attributes);
        self
    }

    /// Writes `value` to an attribute, in one piece as the kernel wants it. The file must be there.
    pub fn write(&self, path: impl AsRef<Path>, value: &str) -> Result<(), HostError> {
        let path = path.as_ref();
        let fail = |e: io::Error| HostError::new("write to", path, e);
        if let Some(attributes) = &self.attributes {
            return attributes.write(&self.resolve(path)?, value).map_err(fail);
        }
        let file = self
            .open_plain(path, OFlags::WRONLY | OFlags::TRUNC)
            .map_err(|error| HostError { operation: "write to", ..error })?;
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&file, value.as_bytes()));
        match written {
            Ok(bytes) if bytes == value.len() => Ok(()),
            Ok(bytes) => {
                Err(fail(io::Error::other(format!("the kernel took {bytes} of {} bytes", value.len()))))
            }
            Err(error) => Err(fail(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Mutex;

    use super::*;
    use crate::tree::Tree;

    #[test]
    fn a_write_replaces_the_value_and_makes_no_file() {
        let tree = Tree::new();
        tree.file("/sys/count", "0\n");
        let host = tree.host();
        host.write("/sys/count", "16").unwrap();
        assert_eq!(host.read("/sys/count").unwrap(), "16");
        let error = host.write("/sys/none", "16").unwrap_err();
        assert!(error.is_not_found());
        assert_eq!(error.to_string(), "cannot write to /sys/none");
        assert!(!host.exists("/sys/none"));
        assert!(host.write("/sys", "16").is_err());
    }

    #[derive(Debug, Default)]
    struct Busy(Mutex<Vec<(PathBuf, String)>>);

    impl Attributes for Busy {
        fn write(&self, path: &Path, value: &str) -> io::Result<()> {
            self.0.lock().unwrap().push((path.to_owned(), value.to_owned()));
            Err(rustix::io::Errno::BUSY.into())
        }
    }

    #[test]
    fn a_simulated_kernel_is_told_of_writes_by_the_real_path() {
        let tree = Tree::new();
        tree.file("/sys/devices/a/count", "0\n").link("/sys/bus/a", "../devices/a");
        let kernel = Arc::new(Busy::default());
        let host = tree.host().with_attributes(Arc::<Busy>::clone(&kernel));
        let error = host.write("/sys/bus/a/count", "16").unwrap_err();
        assert_eq!(error.path, Path::new("/sys/bus/a/count"));
        assert_eq!(error.source.kind(), io::ErrorKind::ResourceBusy);
        assert_eq!(*kernel.0.lock().unwrap(), [(PathBuf::from("/sys/devices/a/count"), "16".to_owned())]);
        assert_eq!(host.read("/sys/bus/a/count").unwrap(), "0");
        assert!(host.write("/sys/bus/a/none", "16").unwrap_err().is_not_found());
    }
}
