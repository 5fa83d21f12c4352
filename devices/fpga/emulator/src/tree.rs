//! The simulated tree: which ports a card has, and what changes in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::node::{Driver, Node};

/// What the name of a released port's folder and node begins with.
const RELEASED: &str = ".released-";

/// A simulated node's root folder.
pub(crate) struct Tree(PathBuf);

/// A port in it.
#[derive(Debug)]
pub(crate) struct Port {
    /// Without [`RELEASED`].
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) is_released: bool,
}

impl Tree {
    pub(crate) fn at(root: &Path) -> Result<Self, String> {
        let fail = |error: io::Error| format!("-root {}: {error}", root.display());
        let root = root.canonicalize().map_err(fail)?;
        if root == Path::new("/") {
            return Err("-root /: that is the real node".to_owned());
        }
        Ok(Self(root))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    /// The folder of a device.
    fn folder(&self, name: &str) -> io::Result<PathBuf> {
        self.0.join("sys/bus/platform/devices").join(name).canonicalize()
    }

    pub(crate) fn read(path: &Path) -> io::Result<String> {
        Ok(fs::read_to_string(path)?.trim().to_owned())
    }

    /// How many ports a card may have.
    pub(crate) fn ports_num(&self, fme: &Node) -> io::Result<u64> {
        Self::read(&self.folder(&fme.name)?.join("ports_num"))?.parse().map_err(io::Error::other)
    }

    /// The interface of a card; that of its first region, if it has several.
    pub(crate) fn interface(&self, fme: &Node) -> io::Result<String> {
        let folder = self.folder(&fme.name)?;
        if fme.driver == Driver::Intel {
            return Self::read(&folder.join("pr/interface_id"));
        }
        let region = first(&folder, "dfl-fme-region.")?.join("fpga_region");
        Self::read(&first(&region, "region")?.join("compat_id"))
    }

    /// The port of a number on the card of a management engine: one of the card's own, or of its virtual functions.
    pub(crate) fn port(&self, fme: &Node, number: u64) -> io::Result<Port> {
        let card = function(&self.folder(&fme.name)?)?;
        let devices = fs::read_dir(self.0.join("sys/bus/platform/devices"))?.flatten();
        let mut cards: Vec<PathBuf> = devices
            .filter_map(|entry| entry.path().canonicalize().ok()?.parent().map(Path::to_owned))
            .collect();
        cards.sort_unstable();
        cards.dedup();
        for entry in cards.iter().filter_map(|card| fs::read_dir(card).ok()).flatten().flatten() {
            let (folder, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let is_released = name.starts_with(RELEASED);
            let name = name.trim_start_matches(RELEASED).to_owned();
            let Some(node) = Node::of_name(&name) else { continue };
            if !node.is_port || node.driver != fme.driver {
                continue;
            }
            let of = function(&folder)?;
            let of = of.join("physfn").canonicalize().unwrap_or(of);
            if of == card && Self::read(&folder.join("id"))?.parse() == Ok(number) {
                return Ok(Port { name, folder, is_released });
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    /// What a port shows as its function; nothing while it is disabled.
    pub(crate) fn set_function(port: &Port, id: Option<&str>) -> io::Result<()> {
        let file = port.folder.join("afu_id");
        match id {
            Some(id) => replace(&file, &format!("{id}\n")),
            None if file.exists() => fs::remove_file(file),
            None => Ok(()),
        }
    }

    /// What DFL's FPGA manager shows of the last reconfiguration (`status_show` of `drivers/fpga/fpga-mgr.c`).
    pub(crate) fn set_status(&self, fme: &Node, status: u64) -> io::Result<()> {
        const WORDS: [&str; 5] = [
            "reconfig operation error",
            "reconfig CRC error",
            "reconfig incompatible image",
            "reconfig IP protocol error",
            "reconfig fifo overflow error",
        ];
        let number = fme.name.rsplit('.').next().unwrap_or_default();
        let manager = format!("dfl-fme-mgr.{number}/fpga_manager/fpga{number}");
        let folder = self.folder(&fme.name)?.join(manager);
        fs::create_dir_all(&folder)?;
        let lines = WORDS.iter().enumerate().filter(|(bit, _)| status >> bit & 1 == 1);
        let lines: Vec<&str> = lines.map(|(_, words)| *words).collect();
        replace(&folder.join("status"), &lines.join("\n"))
    }

    /// Takes a port's device and node away, or brings them back.
    pub(crate) fn set_released(&self, port: &Port, released: bool) -> io::Result<()> {
        let hidden = format!("{RELEASED}{}", port.name);
        let (from, to) = if released { (&port.name, &hidden) } else { (&hidden, &port.name) };
        fs::rename(port.folder.with_file_name(from), port.folder.with_file_name(to))?;
        fs::rename(self.0.join("dev").join(from), self.0.join("dev").join(to))
    }
}

/// The PCI function of a device, which is in a card, which is in a folder of cards.
fn function(device: &Path) -> io::Result<PathBuf> {
    device.ancestors().nth(3).map(Path::to_owned).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// What is in a folder and begins with a name.
fn first(folder: &Path, name: &str) -> io::Result<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(name))
        .map(|entry| entry.path())
        .collect();
    found.sort_unstable();
    found.into_iter().next().ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Nobody sees half of a value.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(new, file)
}
