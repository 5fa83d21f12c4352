//! FPGA bitstream files, and the store: the folder of a node that keeps them.
//!
//! ```no_run
//! # fn main() -> Result<(), fpga_bitstream::Error> {
//! use fpga_bitstream::{Bitstream, Store};
//!
//! let store = Store::new(&host::Host::real(), Store::DEFAULT);
//! let interface = "69528db6eb31577a8c3668f9faa081f6".parse()?;
//! let function = "d8424dc4-a4a3-c413-f89e-433683f9040b".parse()?;
//! let bitstream: Bitstream = store.find(interface, &function)?;
//! let bytes: Vec<u8> = bitstream.payload()?; // one buffer, what the kernel's ioctl takes
//! # Ok(())
//! # }
//! ```
//!
//! # GBS, a "green bitstream" (`.gbs`)
//!
//! Numbers are little-endian.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 16 | `XeonFPGA`, `b7`, `GBSv001` |
//! | 16 | 4 | M, the length of the metadata: 1 to 4095 |
//! | 20 | M | [metadata](Metadata): JSON; what follows its first value is padding |
//! | 20 + M | all the rest | payload: the raw bitstream, 1 byte to [128 MiB](MAX_PAYLOAD) |
//!
//! # AOCX, a program of Intel's `OpenCL` compiler (`.aocx`)
//!
//! | layer | what is read of it |
//! |---|---|
//! | ELF, 32 or 64 bits, either byte order | texts: `.acl.rand_hash`, `.acl.board`, `.acl.target`, `.acl.version` |
//! | its section `.acl.fpga.bin`: again ELF | |
//! | its section `.acl.gbs.gz`: gzip | |
//! | unpacked: a GBS file | the same as of any |
//!
//! All else in it is for the `OpenCL` runtime.
//!
//! # How files are read
//!
//! A file is never in memory as a whole. Opening reads the headers, checks every field and length against hard limits, and
//! keeps the file open; of an AOCX it also unpacks the payload once, to nowhere, for its checksum and its length.
//! [`Bitstream::payload`] then reads the payload alone, once, into one buffer of exactly its length. That one copy is
//! needed: the kernel takes a pointer to the whole of it. Mapping the file would save the copy for GBS only, needs
//! `unsafe`, and turns a file that is cut meanwhile from an error into a signal that ends the process.

mod aocx;
mod bitstream;
mod elf;
mod error;
mod gbs;
mod id;
mod metadata;
mod part;
mod store;
pub mod writer;

pub use bitstream::{Bitstream, Kind};
pub use error::{Error, Listing, Malformed};
pub use gbs::MAX_PAYLOAD;
pub use id::{BadId, BadName, Id, Name};
pub use metadata::{Accelerator, Image, Metadata};
pub use store::{Replace, Store};
