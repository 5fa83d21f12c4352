//! The device nodes of FPGAs, and who has them open.

use std::fs::{self, File};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use nix::libc::{O_EXCL, O_PATH, O_RDWR};
use nix::unistd::Pid;

use crate::tree::Tree;

/// The folder, among the nodes, of what is opened in place of special files.
const STAND_INS: &str = ".emulated";

/// A driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    Dfl,
    Intel,
}

/// A node: its name, and what it is one of.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) driver: Driver,
    pub(crate) is_port: bool,
}

impl Node {
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let (kind, number) = name.split_once('.')?;
        number.parse::<u32>().ok()?;
        let (driver, is_port) = match kind {
            "dfl-fme" => (Driver::Dfl, false),
            "dfl-port" => (Driver::Dfl, true),
            "intel-fpga-fme" => (Driver::Intel, false),
            "intel-fpga-port" => (Driver::Intel, true),
            _ => return None,
        };
        Some(Self { name: name.to_owned(), driver, is_port })
    }
}

/// The folder of the nodes.
pub(crate) struct Nodes {
    folder: PathBuf,
}

/// An attempt to open a node as a device.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    pub(crate) node: Node,
    pub(crate) exclusive: bool,
    /// What to open in its place, in the form that the path had.
    pub(crate) instead: Option<PathBuf>,
}

impl Nodes {
    /// The nodes of the tree. For those that are special files, plain ones in a folder of their own are opened in their
    /// place: nobody could open the special ones, as there is no driver, or there is one of something else.
    pub(crate) fn of(tree: &Tree) -> Result<Self, String> {
        let nodes = Self { folder: tree.root().join("dev") };
        let stand_ins = nodes.folder.join(STAND_INS);
        let fail = |error| format!("cannot make {}: {error}", stand_ins.display());
        for entry in fs::read_dir(&nodes.folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if Node::of_name(&name).is_some() && entry.file_type().map_err(fail)?.is_char_device() {
                fs::create_dir_all(&stand_ins).map_err(fail)?;
                File::options().create(true).append(true).open(stand_ins.join(&name)).map_err(fail)?;
            }
        }
        Ok(nodes)
    }

    /// The node that a file descriptor is of.
    pub(crate) fn of_descriptor(&self, thread: Pid, descriptor: u64) -> Option<Node> {
        self.of_path(&fs::read_link(format!("/proc/{thread}/fd/{descriptor}")).ok()?)
    }

    /// What opening a path would open, if that is a node, and is opened to ask its driver for something.
    /// `folder` is the file descriptor at which the path begins; `in_root`, whether that is the root for it.
    pub(crate) fn opening(
        &self,
        thread: Pid,
        folder: u32,
        path: &str,
        in_root: bool,
        flags: u64,
    ) -> Option<Opening> {
        let has = |flag: i32| u64::from(flag.unsigned_abs()) & flags != 0;
        // Others only look at what the file is.
        if !has(O_RDWR) || has(O_PATH) {
            return None;
        }
        // Cheap, for the many other files.
        Node::of_name(Path::new(path).file_name()?.to_str()?)?;
        let at = fs::read_link(format!("/proc/{thread}/fd/{folder}"))
            .or_else(|_| fs::read_link(format!("/proc/{thread}/cwd")))
            .ok()?;
        let path = if in_root { at.join(path.trim_start_matches('/')) } else { at.join(path) };
        let path = path.canonicalize().ok()?;
        let node = self.of_path(&path)?;
        let is_special = path.metadata().ok()?.file_type().is_char_device();
        let stand_in = self.folder.join(STAND_INS).join(&node.name);
        let instead = is_special.then(|| match stand_in.strip_prefix(&at) {
            Ok(below) if in_root => below.to_owned(),
            _ => stand_in.clone(),
        });
        Some(Opening { node, exclusive: has(O_EXCL), instead })
    }

    fn of_path(&self, path: &Path) -> Option<Node> {
        let name = path.strip_prefix(&self.folder).ok()?;
        Node::of_name(name.strip_prefix(STAND_INS).unwrap_or(name).to_str()?)
    }

    /// Whether a node must not be opened now (`dfl_feature_dev_use_begin` of `drivers/fpga/dfl.h`). That somebody has it
    /// exclusively is not known here, and is for the next one to open it so.
    pub(crate) fn is_refused(&self, opening: &Opening) -> bool {
        opening.exclusive && self.is_open(&opening.node.name)
    }

    /// Whether any process of the machine has a node open.
    pub(crate) fn is_open(&self, name: &str) -> bool {
        let paths = [self.folder.join(name), self.folder.join(STAND_INS).join(name)];
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let folders = processes.filter_map(|entry| fs::read_dir(entry.path().join("fd")).ok());
        folders.flatten().flatten().any(|entry| {
            fs::read_link(entry.path()).is_ok_and(|target| paths.contains(&target))
                && is_device_open(&entry.path())
        })
    }
}

/// Whether a file descriptor was opened to ask a driver for something, and not to see what stands in for a node.
fn is_device_open(descriptor: &Path) -> bool {
    let path = descriptor.to_string_lossy().replace("/fd/", "/fdinfo/");
    let text = fs::read_to_string(path).unwrap_or_default();
    let flags =
        text.lines().find_map(|line| i32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
    flags.is_some_and(|flags| flags & O_RDWR != 0 && flags & O_PATH == 0)
}
