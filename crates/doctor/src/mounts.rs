//! Where on the node the files of a process are: plugins run in containers, which have file systems of their own.

use std::path::{Path, PathBuf};

use host::Host;

/// A node with hundreds of containers has so much of it.
const MOST_BYTES: u64 = 16 << 20;

/// What a process has mounted (`proc_pid_mountinfo(5)`); nothing where that cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mounts(Vec<Mount>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    /// Major and minor number of the file system's device.
    device: String,
    /// Which folder of the file system is mounted.
    root: PathBuf,
    /// Where.
    at: PathBuf,
}

/// A file or folder, the same one for all processes that have it somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    device: String,
    path: PathBuf,
}

impl Mounts {
    /// Those of the process that has this folder in `/proc`.
    pub fn of(host: &Host, process: &str) -> Self {
        let text = host.read_up_to(format!("{process}/mountinfo"), MOST_BYTES).unwrap_or_default();
        Self(text.lines().filter_map(Mount::parse).collect())
    }

    /// What the process has at `path`; `None` if that is not known.
    pub fn spot(&self, path: impl AsRef<Path>) -> Option<Spot> {
        let path = path.as_ref();
        let covers = |mount: &&Mount| path.starts_with(&mount.at);
        // Of several at one place the last is on top.
        let mount = self.0.iter().filter(covers).max_by_key(|mount| mount.at.components().count())?;
        let path = moved(path, &mount.at, &mount.root)?;
        Some(Spot { device: mount.device.clone(), path })
    }

    /// Where the process has it; `None` if nowhere.
    pub fn path(&self, spot: &Spot) -> Option<PathBuf> {
        let places = self.0.iter().filter(|mount| mount.device == spot.device);
        let mut paths = places.filter_map(|mount| moved(&spot.path, &mount.root, &mount.at));
        // It may be hidden below another mount.
        paths.find(|path| self.spot(path).as_ref() == Some(spot))
    }
}

/// `path`, which is `from` or below it, as it is below `to`.
fn moved(path: &Path, from: &Path, to: &Path) -> Option<PathBuf> {
    let rest = path.strip_prefix(from).ok()?;
    // A file may be mounted too; joined with nothing it would be taken for a folder.
    Some(if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) })
}

impl Mount {
    /// A path with a blank in it, which is written `\040`, is never found.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(' ').skip(2);
        let (device, root, at) = (fields.next()?, fields.next()?, fields.next()?);
        at.starts_with('/').then(|| Self { device: device.to_owned(), root: root.into(), at: at.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(lines: &str) -> Mounts {
        Mounts(lines.lines().filter_map(Mount::parse).collect())
    }

    #[test]
    fn a_file_of_a_container_is_found_on_the_node() {
        let node = mounts("25 1 8:1 / / rw - ext4 a rw\n26 25 8:2 / /var rw - ext4 b rw\n");
        let container = mounts(
            "90 80 0:50 / / rw - overlay overlay rw\n\
             91 90 8:2 /lib/kubelet/pods/1/volumes/c /etc/plugins ro - ext4 b rw\n\
             92 90 8:1 /opt/one.yaml /one.yaml ro - ext4 a rw\n",
        );
        let found = |path: &str| node.path(&container.spot(path)?);
        for (path, expected) in [
            ("/etc/plugins/config.yaml", Some("/var/lib/kubelet/pods/1/volumes/c/config.yaml")),
            ("/one.yaml", Some("/opt/one.yaml")),
            // Of the image, which the node has nowhere.
            ("/etc/passwd", None),
        ] {
            let found = found(path);
            assert_eq!(found.as_ref().map(|path| path.as_os_str()), expected.map(std::ffi::OsStr::new));
        }
        // What the node itself has there is another folder's.
        assert_eq!(node.path(&Spot { device: "8:1".to_owned(), path: "/var/lib".into() }), None);
        assert_eq!(Mounts::default().spot("/"), None);
    }
}
