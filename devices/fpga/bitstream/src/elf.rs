//! The sections of an ELF file (System V Application Binary Interface, "Object Files"), by name.

use std::io::Read as _;

use crate::error::Fault;
use crate::part::Part;

/// Compilers write some thirty.
const MAX_SECTIONS: u64 = 1024;
/// The names of all sections.
const MAX_NAMES: u64 = 64 * 1024;
/// A section without bytes in the file (`SHT_NULL`, `SHT_NOBITS`).
const WITHOUT_BYTES: [u64; 2] = [0, 8];
/// A section that the linker has packed (`SHF_COMPRESSED`).
const COMPRESSED: u64 = 0x800;

/// How numbers are written: ELF has both sizes and both byte orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// 64 bits; else 32.
    pub is_wide: bool,
    /// The most significant byte first.
    pub is_big_endian: bool,
}

/// An ELF file, or one within another.
#[derive(Debug)]
pub(crate) struct Elf<'a> {
    file: Part<'a>,
    layout: Layout,
    /// The headers of the sections.
    table: Vec<u8>,
    /// Their names, each ended by a zero.
    names: Vec<u8>,
}

/// The header of a section, as far as it matters.
struct Header {
    name: u64,
    kind: u64,
    flags: u64,
    offset: u64,
    size: u64,
}

impl Layout {
    pub(crate) fn file_header_size(self) -> usize {
        if self.is_wide { 64 } else { 52 }
    }

    pub(crate) fn section_header_size(self) -> usize {
        if self.is_wide { 64 } else { 40 }
    }

    /// The bytes of an address, an offset or a size.
    pub(crate) fn word(self) -> usize {
        if self.is_wide { 8 } else { 4 }
    }

    /// The number of `width` bytes at `at`, or 0 outside.
    fn number(self, bytes: &[u8], at: usize, width: usize) -> u64 {
        let bytes = bytes.get(at..at + width).unwrap_or_default();
        let add = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
        if self.is_big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) }
    }
}

impl<'a> Elf<'a> {
    pub(crate) fn read(mut file: Part<'a>) -> Result<Self, Fault> {
        let start = file.extent.start;
        let mut header = [0; 64];
        let (ident, _) = header.split_at_mut(16);
        file.read_exact(ident).map_err(|error| Fault::reading(error, start, "the header of an ELF file"))?;
        let layout = match *ident {
            [0x7f, b'E', b'L', b'F', class @ (1 | 2), order @ (1 | 2), ..] => {
                Layout { is_wide: class == 2, is_big_endian: order == 2 }
            }
            ref ident => {
                let found = format!("{:02x?}", ident.get(..6).unwrap_or_default());
                let expected = "an ELF file: [7f, 45, 4c, 46], then twice 01 or 02";
                return Err(Fault::malformed(start, expected, found));
            }
        };
        let rest = header.get_mut(16..layout.file_header_size()).unwrap_or_default();
        file.read_exact(rest)
            .map_err(|error| Fault::reading(error, start + 16, "the rest of the ELF header"))?;
        // e_shoff follows e_entry and e_phoff; e_shentsize, e_shnum and e_shstrndx end the header.
        let offset = layout.number(&header, 24 + 2 * layout.word(), layout.word());
        let [size, count, names] =
            [6, 4, 2].map(|from_end| layout.number(&header, layout.file_header_size() - from_end, 2));
        let end = start + layout.file_header_size() as u64;
        if size != layout.section_header_size() as u64 {
            let expected = format!("section headers of {} bytes", layout.section_header_size());
            return Err(Fault::malformed(end - 6, expected, size.to_string()));
        }
        if !(1..=MAX_SECTIONS).contains(&count) {
            let expected = format!("1 to {MAX_SECTIONS} sections");
            return Err(Fault::malformed(end - 4, expected, count.to_string()));
        }
        if names >= count {
            let expected = format!("the number of a section below {count}");
            return Err(Fault::malformed(end - 2, expected, names.to_string()));
        }
        let what = "the table of sections";
        let table = file.part(offset, count * size, what)?.bytes(count * size, what)?;
        let mut elf = Self { file, layout, table, names: Vec::new() };
        let names = elf.headers().nth(usize::try_from(names).unwrap_or(usize::MAX));
        if let Some(names) = names {
            let what = "the names of the sections";
            elf.names = elf.content(&names, what)?.bytes(MAX_NAMES, what)?;
        }
        Ok(elf)
    }

    /// Where it begins.
    pub(crate) fn start(&self) -> u64 {
        self.file.extent.start
    }

    /// The section of that name, if there is one.
    pub(crate) fn section(&self, name: &str) -> Result<Option<Part<'a>>, Fault> {
        let mut named = self.headers().filter(|header| self.has_name(header, name));
        let Some(header) = named.next() else { return Ok(None) };
        if named.next().is_some() {
            let expected = format!("one section {name}");
            return Err(Fault::malformed(self.file.extent.start, expected, "more"));
        }
        self.content(&header, &format!("the section {name}")).map(Some)
    }

    fn headers(&self) -> impl Iterator<Item = Header> {
        let (layout, word) = (self.layout, self.layout.word());
        self.table.chunks_exact(layout.section_header_size()).map(move |bytes| Header {
            name: layout.number(bytes, 0, 4),
            kind: layout.number(bytes, 4, 4),
            flags: layout.number(bytes, 8, word),
            offset: layout.number(bytes, 8 + 2 * word, word),
            size: layout.number(bytes, 8 + 3 * word, word),
        })
    }

    fn has_name(&self, header: &Header, name: &str) -> bool {
        let start = usize::try_from(header.name).unwrap_or(usize::MAX);
        let found = self.names.get(start..).unwrap_or_default();
        found.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
    }

    fn content(&self, header: &Header, what: &str) -> Result<Part<'a>, Fault> {
        let start = self.file.extent.start;
        if WITHOUT_BYTES.contains(&header.kind) {
            return Err(Fault::malformed(start, format!("{what} with bytes in the file"), "none"));
        }
        if header.flags & COMPRESSED != 0 {
            return Err(Fault::malformed(start, format!("{what} as it is"), "a packed one (SHF_COMPRESSED)"));
        }
        self.file.part(header.offset, header.size, what)
    }
}
