//! What the drivers do when they are asked.

use std::fs::File;
use std::io::{self, Read as _};

use nix::errno::Errno;
use serde_json::{Value, json};

use crate::fault::Faults;
use crate::memory::Memory;
use crate::node::{Driver, Node, Nodes};
use crate::request::{Argument, Request};
use crate::tree::Tree;

/// The first words of what the simulated hardware can be programmed with.
const MAGIC: &str = "SIMULATED BITSTREAM ";

/// The bit for a bitstream that is made for something else.
const INCOMPATIBLE: u64 = 1 << 2;

/// The sizes of a port's two regions, its function's and the signal tap's, in bytes.
const REGIONS: [u64; 2] = [0x4_0000, 0x2000];
/// Readable, writable, can be mapped.
const REGION_FLAGS: u64 = 0b111;

/// Both drivers.
pub(crate) struct Kernel {
    tree: Tree,
    faults: Faults,
}

impl Kernel {
    pub(crate) fn new(tree: Tree, faults: Faults) -> Self {
        Self { tree, faults }
    }

    /// Answers a request. Its argument, for the log, is `Null` where it has none.
    pub(crate) fn ioctl(
        &self,
        node: &Node,
        nodes: &Nodes,
        request: Request,
        memory: &Memory,
        address: u64,
    ) -> (Value, Result<i64, Errno>) {
        let mut argument = match request.argument(node.driver, memory, address) {
            Ok(argument) => argument,
            Err(error) => return (Value::Null, Err(error)),
        };
        let mut shown = argument.to_json();
        if request == Request::Pr
            && let Ok(buffer) = buffer(&argument, memory)
        {
            shown.insert("buffer_crc32".to_owned(), json!(format!("{:08x}", crc32fast::hash(&buffer))));
        }
        let shown = if shown.is_empty() { Value::Null } else { shown.into() };
        let mut result = match self.faults.errors.get(request.name()) {
            Some(error) => Err(*error),
            None if !argument.is_sound() => Err(Errno::EINVAL),
            None => self.answer(node, nodes, request, &mut argument, memory),
        };
        if !argument.bytes().is_empty()
            && let Err(error) = memory.write(address, argument.bytes())
        {
            result = Err(error);
        }
        (shown, result)
    }

    fn answer(
        &self,
        node: &Node,
        nodes: &Nodes,
        request: Request,
        argument: &mut Argument,
        memory: &Memory,
    ) -> Result<i64, Errno> {
        match request {
            Request::Version | Request::Extension | Request::Reset => {}
            Request::Info => argument.set("num_regions", REGIONS.len() as u64),
            Request::Region => {
                let index = usize::try_from(argument.get("index")).unwrap_or(usize::MAX);
                let size = REGIONS.get(index).ok_or(Errno::EINVAL)?;
                argument.set("flags", REGION_FLAGS);
                argument.set("size", *size);
                argument.set("offset", REGIONS.iter().take(index).sum());
            }
            Request::Pr => self.program(node, argument, memory)?,
            Request::Release => {
                let port = self.tree.port(node, argument.get("port_id")).ok().ok_or_else(|| no_port(node))?;
                if port.is_released || nodes.is_open(&port.name) {
                    return Err(Errno::EBUSY);
                }
                self.tree.set_released(&port, true).map_err(|error| errno(&error))?;
            }
            Request::Assign => {
                let port = self.tree.port(node, argument.get("port_id")).ok().ok_or_else(|| no_port(node))?;
                if !port.is_released {
                    return Err(Errno::EBUSY);
                }
                self.tree.set_released(&port, false).map_err(|error| errno(&error))?;
            }
        }
        Ok(0)
    }

    /// `fme_pr` of `drivers/fpga/dfl-fme-pr.c` and of `intel-fpga`.
    fn program(&self, fme: &Node, argument: &mut Argument, memory: &Memory) -> Result<(), Errno> {
        let number = argument.get("port_id");
        if number >= self.tree.ports_num(fme).map_err(|error| errno(&error))? {
            return Err(Errno::EINVAL);
        }
        let bitstream = buffer(argument, memory)?;
        let port = self.tree.port(fme, number).ok().ok_or(Errno::EINVAL)?;
        if let Some(pipe) = &self.faults.hold {
            let mut end = File::open(pipe).map_err(|error| errno(&error))?;
            end.read_to_end(&mut Vec::new()).map_err(|error| errno(&error))?;
        }
        let interface = self.tree.interface(fme).map_err(|error| errno(&error))?;
        let (status, function) = match function_of(&bitstream, &interface) {
            _ if self.faults.status.is_some() => (self.faults.status, None),
            Some(function) => (None, Some(self.faults.afu.clone().unwrap_or(function))),
            None => (Some(INCOMPATIBLE), None),
        };
        argument.set("status", status.unwrap_or_default());
        if fme.driver == Driver::Dfl {
            self.tree.set_status(fme, status.unwrap_or_default()).map_err(|error| errno(&error))?;
        }
        // After a failure DFL leaves the port disabled, and its function's id cannot be read.
        if function.is_some() || fme.driver == Driver::Dfl {
            Tree::set_function(&port, function.as_deref()).map_err(|error| errno(&error))?;
        }
        if status.is_some() { Err(Errno::EIO) } else { Ok(()) }
    }
}

fn buffer(argument: &Argument, memory: &Memory) -> Result<Vec<u8>, Errno> {
    let size = usize::try_from(argument.get("buffer_size")).unwrap_or(usize::MAX);
    memory.read(argument.get("buffer_address"), size)
}

/// The function that hardware of an interface has when it was programmed with a bitstream, if it accepts that.
fn function_of(bitstream: &[u8], interface: &str) -> Option<String> {
    let line = bitstream.split(|byte| *byte == b'\n').next()?;
    let (made_for, function) = str::from_utf8(line).ok()?.strip_prefix(MAGIC)?.split_once(' ')?;
    (made_for == interface).then(|| function.to_owned())
}

/// What the driver says of a port that the card does not have.
fn no_port(node: &Node) -> Errno {
    match node.driver {
        Driver::Dfl => Errno::ENODEV,
        Driver::Intel => Errno::EINVAL,
    }
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
