//! An AOCX file: the texts in it, and the way to the GBS file in it.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use crate::elf::Elf;
use crate::error::Fault;
use crate::gbs::{Header, MAX_PAYLOAD};
use crate::id::Name;
use crate::metadata::Metadata;
use crate::part::{Extent, Part};

/// The longest text; they are a line or less.
const MAX_TEXT: u64 = 4096;
/// What is packed may become a little longer.
const MAX_PACKED: u64 = MAX_PAYLOAD + (1 << 20);
/// So much of the packed file is in memory at a time.
const BUFFER: usize = 64 * 1024;

/// What is in the file.
#[derive(Debug)]
pub(crate) struct Aocx {
    /// The hash of the program; its name in the store.
    pub(crate) hash: Option<Name>,
    pub(crate) board: Option<String>,
    pub(crate) target: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) metadata: Metadata,
    /// The GBS file, packed.
    pub(crate) packed: Extent,
    /// Where in the unpacked GBS file the payload begins.
    pub(crate) payload: u64,
    /// How long it is.
    pub(crate) size: u64,
}

impl Aocx {
    pub(crate) fn read(file: Part<'_>) -> Result<Self, Fault> {
        let outer = Elf::read(file)?;
        let text = |name| -> Result<_, Fault> {
            let Some(section) = outer.section(name)? else { return Ok(None) };
            let bytes = section.bytes(MAX_TEXT, &format!("the text of {name}"))?;
            let text = String::from_utf8_lossy(&bytes).trim().to_owned();
            Ok(Some((text, section.extent.start)).filter(|(text, _)| !text.is_empty()))
        };
        let mut hash = None;
        if let Some((text, offset)) = text(".acl.rand_hash")? {
            let Ok(name) = text.parse() else {
                let expected = "a hash of 1 to 64 letters and digits";
                return Err(Fault::malformed(offset, expected, format!("{text:?}")));
            };
            hash = Some(name);
        }
        let line = |name| Ok(text(name)?.map(|(text, _)| text));
        let (board, target, version) = (line(".acl.board")?, line(".acl.target")?, line(".acl.version")?);
        let inner = Elf::read(needed(&outer, ".acl.fpga.bin")?)?;
        let packed = needed(&inner, ".acl.gbs.gz")?;
        let Extent { start, len } = packed.extent;
        if len > MAX_PACKED {
            let expected = format!("a section .acl.gbs.gz of at most {MAX_PACKED} bytes");
            return Err(Fault::malformed(start, expected, len.to_string()));
        }
        let mut unpacked = unpack(packed);
        let header = Header::read(&mut unpacked).map_err(Fault::unpacked)?;
        // To the end, where the checksum is; but not to that of a small file that unpacks to a very large one.
        let size = io::copy(&mut unpacked.take(MAX_PAYLOAD + 1), &mut io::sink())
            .map_err(|error| Fault::reading(error, header.payload, "a packed bitstream").unpacked())?;
        header.check_payload(size).map_err(Fault::unpacked)?;
        let Header { metadata, payload } = header;
        Ok(Self { hash, board, target, version, metadata, packed: Extent { start, len }, payload, size })
    }
}

/// Unpacks while reading. A file may be several, one packed after the other.
pub(crate) fn unpack(packed: Part<'_>) -> MultiGzDecoder<BufReader<Part<'_>>> {
    MultiGzDecoder::new(BufReader::with_capacity(BUFFER, packed))
}

fn needed<'a>(elf: &Elf<'a>, name: &str) -> Result<Part<'a>, Fault> {
    let none = || Fault::malformed(elf.start(), format!("an ELF file with a section {name}"), "one without");
    elf.section(name)?.ok_or_else(none)
}
