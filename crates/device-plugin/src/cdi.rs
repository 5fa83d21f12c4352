//! Container Device Interface files: what a container runtime does for a container that asks for a device by name.
//!
//! Format: <https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md>, version 0.5.0. Each device has a
//! file of its own, `<vendor>-<class>-<device>.yaml`, written as JSON, which every YAML reader reads.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{CdiDevice, ContainerEdits, Filesystem, Mount};

const VERSION: &str = "0.5.0";

/// The folder that container runtimes read CDI files from.
#[derive(Debug, Clone)]
pub struct CdiFolder {
    path: PathBuf,
}

/// A CDI file that could not be made or removed.
#[derive(Debug, thiserror::Error)]
pub enum CdiError {
    /// The kind or the name has characters that CDI forbids, or that would leave the folder.
    #[error("{0:?} is no name of a CDI device: letters, digits and inner '-', '_', '.', ':' only")]
    BadName(String),
    /// The file system said no.
    #[error("cannot {operation} the CDI file {}", path.display())]
    Io {
        /// "write", "remove".
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl CdiFolder {
    /// The folder need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The name by which a container asks for `device`.
    pub fn qualified_name(device: &CdiDevice) -> String {
        format!("{}={}", device.kind, device.name)
    }

    /// Makes the device's file say what `device` says; does nothing when it does. True when it had to write.
    ///
    /// The file is replaced as a whole, so a runtime never reads half of it.
    pub fn write(&self, device: &CdiDevice) -> Result<bool, CdiError> {
        let path = self.file(device)?;
        let content = render(device);
        if fs::read(&path).is_ok_and(|found| found == content) {
            return Ok(false);
        }
        replace(&path, &content).map_err(|source| CdiError::Io { operation: "write", path, source })?;
        Ok(true)
    }

    /// Removes the device's file, if there is one.
    pub fn remove(&self, device: &CdiDevice) -> Result<(), CdiError> {
        let path = self.file(device)?;
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(CdiError::Io { operation: "remove", path, source })
            }
            _ => Ok(()),
        }
    }

    fn file(&self, device: &CdiDevice) -> Result<PathBuf, CdiError> {
        let bad_name = || CdiError::BadName(Self::qualified_name(device));
        let (vendor, class) = device.kind.split_once('/').ok_or_else(bad_name)?;
        if ![vendor, class, device.name.as_str()].into_iter().all(is_name) {
            return Err(bad_name());
        }
        Ok(self.path.join(format!("{vendor}-{class}-{}.yaml", device.name)))
    }
}

/// Stricter than the specification where it lets a name begin with a digit or not: no slash, nothing hidden.
fn is_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    name.bytes().all(inner)
        && name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && name.bytes().next_back().is_some_and(|b| b.is_ascii_alphanumeric())
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let Some((folder, name)) = path.parent().zip(path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    fs::create_dir_all(folder)?;
    // Runtimes read *.yaml and *.json only. A fixed name: what a killed process left is overwritten by the next.
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(".new");
    let temporary = folder.join(temporary);
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&temporary)?;
    let written = file
        .write_all(content)
        // Whatever the umask: runtimes that are not root read it too.
        .and_then(|()| file.set_permissions(fs::Permissions::from_mode(0o644)))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // A full disk: give the space back. The error that counts is the one of writing.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn render(device: &CdiDevice) -> Vec<u8> {
    let spec = Spec {
        cdi_version: VERSION,
        kind: &device.kind,
        devices: [SpecDevice { name: &device.name, container_edits: Edits::of(device) }],
    };
    // Strings and lists only: this cannot fail, and an empty file would be seen by the runtime.
    let mut content = serde_json::to_vec_pretty(&spec).unwrap_or_default();
    content.push(b'\n');
    content
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    cdi_version: &'static str,
    kind: &'a str,
    devices: [SpecDevice<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpecDevice<'a> {
    name: &'a str,
    container_edits: Edits<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Edits<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    device_nodes: Vec<Node<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hooks: Vec<Hook<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mounts: Vec<FileMount<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Node<'a> {
    path: &'a Path,
    host_path: &'a Path,
    permissions: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hook<'a> {
    hook_name: &'a str,
    path: &'a Path,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    args: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FileMount<'a> {
    host_path: &'a Path,
    container_path: &'a Path,
    options: &'a [&'static str],
    #[serde(rename = "type")]
    kind: &'static str,
}

impl<'a> FileMount<'a> {
    fn bind(mount: &'a Mount) -> Self {
        Self {
            host_path: &mount.host_path,
            container_path: &mount.container_path,
            options: if mount.read_only { &["bind", "ro"] } else { &["bind", "rw"] },
            kind: "none",
        }
    }

    /// What is mounted is named as a path, as a source that is no path has no field of its own in CDI.
    fn of(filesystem: &'a Filesystem) -> Self {
        Self {
            host_path: Path::new(filesystem.kind),
            container_path: &filesystem.container_path,
            options: filesystem.options,
            kind: filesystem.kind,
        }
    }
}

impl<'a> Edits<'a> {
    fn of(device: &'a CdiDevice) -> Self {
        let ContainerEdits { nodes, mounts, env, annotations: _ } = &device.edits;
        Self {
            env: env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            device_nodes: nodes
                .iter()
                .map(|node| Node {
                    path: &node.container_path,
                    host_path: &node.host_path,
                    permissions: node.permissions,
                })
                .collect(),
            hooks: device
                .hooks
                .iter()
                .map(|hook| Hook { hook_name: &hook.name, path: &hook.path, args: &hook.args })
                .collect(),
            mounts: mounts
                .iter()
                .map(FileMount::bind)
                .chain(device.filesystems.iter().map(FileMount::of))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CdiHook, DeviceNode, Mount};

    fn device(name: &str) -> CdiDevice {
        CdiDevice {
            kind: "vendor.example.com/color".to_owned(),
            name: name.to_owned(),
            edits: ContainerEdits {
                nodes: vec![DeviceNode {
                    host_path: "/sim/dev/red0".into(),
                    container_path: "/dev/red0".into(),
                    permissions: "rw",
                }],
                mounts: vec![Mount {
                    host_path: "/opt/paint".into(),
                    container_path: "/paint".into(),
                    read_only: true,
                }],
                env: [("SHADE".to_owned(), "dark".to_owned())].into(),
                ..ContainerEdits::default()
            },
            hooks: vec![CdiHook {
                name: "createRuntime".to_owned(),
                path: "/opt/hook".into(),
                args: vec!["hook".to_owned()],
            }],
            filesystems: vec![Filesystem {
                kind: "tmpfs",
                container_path: "/run/paint".into(),
                options: &["rw", "nosuid"],
            }],
        }
    }

    #[test]
    fn the_file_holds_all_edits() {
        let folder = tempfile::tempdir().unwrap();
        let cdi = CdiFolder::new(folder.path().join("made/on/demand"));
        assert!(cdi.write(&device("red0")).unwrap());
        let path = folder.path().join("made/on/demand/vendor.example.com-color-red0.yaml");
        assert_eq!(fs::read_to_string(&path).unwrap(), include_str!("../tests/golden/cdi.yaml"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn a_file_that_says_the_same_is_left_alone_and_a_stale_one_rewritten() {
        let folder = tempfile::tempdir().unwrap();
        let cdi = CdiFolder::new(folder.path());
        assert!(cdi.write(&device("red0")).unwrap());
        assert!(!cdi.write(&device("red0")).unwrap());
        let path = folder.path().join("vendor.example.com-color-red0.yaml");
        fs::write(&path, "kind: other").unwrap();
        assert!(cdi.write(&device("red0")).unwrap());
        assert_eq!(fs::read(&path).unwrap(), render(&device("red0")));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("cdi");
        fs::write(&blocked, "a file where the folder should be").unwrap();
        let error = CdiFolder::new(&blocked).write(&device("red0")).unwrap_err();
        assert!(error.to_string().ends_with("cdi/vendor.example.com-color-red0.yaml"), "{error}");
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        let cdi = CdiFolder::new("/nonexistent");
        for name in ["../red", "a/b", "", ".hidden", "red-", "a b"] {
            assert!(matches!(cdi.write(&device(name)), Err(CdiError::BadName(_))), "{name:?}");
        }
        let mut no_class = device("red");
        no_class.kind = "vendor".to_owned();
        assert!(matches!(cdi.remove(&no_class), Err(CdiError::BadName(_))));
    }

    #[test]
    fn removing_twice_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        let cdi = CdiFolder::new(folder.path());
        cdi.write(&device("red0")).unwrap();
        cdi.remove(&device("red0")).unwrap();
        cdi.remove(&device("red0")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
