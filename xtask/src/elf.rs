//! How an executable is linked, from its ELF headers
//! ([System V ABI](https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html), chapters 4 and 5).

use std::collections::BTreeSet;

const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;

/// What an executable wants from the system it runs on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Linking {
    /// It is started by a dynamic linker.
    pub(crate) interpreter: bool,
    /// The shared libraries that it needs.
    pub(crate) libraries: BTreeSet<String>,
    /// The minor number of the oldest glibc 2 that has all it needs; 0 if it needs none.
    pub(crate) glibc: u32,
}

impl Linking {
    /// Reads a 64-bit little-endian ELF file; `None` if it is none, or cut short.
    pub(crate) fn of(file: &[u8]) -> Option<Self> {
        if file.get(..6)? != b"\x7fELF\x02\x01" {
            return None;
        }
        let table = number(file, 0x20, 8)?;
        let entry_size = number(file, 0x36, 2)?;
        let entries = number(file, 0x38, 2)?;
        let segments: Option<Vec<Segment>> =
            (0..entries).map(|index| Segment::at(file, table.checked_add(index * entry_size)?)).collect();
        let segments = segments?;
        let mut linking = Self::default();
        for segment in &segments {
            match segment.kind {
                PT_INTERP => linking.interpreter = true,
                PT_DYNAMIC => linking.add(file, part(file, segment.offset, segment.size)?, &segments)?,
                _ => {}
            }
        }
        Some(linking)
    }

    /// Reads a dynamic section, and its table of strings where it has one.
    fn add(&mut self, file: &[u8], section: &[u8], segments: &[Segment]) -> Option<()> {
        // Each entry is a tag and a value, of eight bytes each; a tag of 0 ends them.
        let entries = section.chunks_exact(16).map_while(|entry| {
            let tag = number(entry, 0, 8).filter(|tag| *tag != 0)?;
            Some((tag, number(entry, 8, 8)?))
        });
        let entries: Vec<(u64, u64)> = entries.collect();
        let value_of = |wanted| Some(entries.iter().find(|(tag, _)| *tag == wanted)?.1);
        let Some(address) = value_of(DT_STRTAB) else { return Some(()) };
        let offset = segments.iter().find_map(|segment| segment.offset_of(address))?;
        let strings = part(file, offset, value_of(DT_STRSZ)?)?;
        for (_, name) in entries.iter().filter(|(tag, _)| *tag == DT_NEEDED) {
            let name = strings.get(usize::try_from(*name).ok()?..)?.split(|byte| *byte == 0).next()?;
            self.libraries.insert(String::from_utf8_lossy(name).into_owned());
        }
        // Versions of symbols are in the same table, such as GLIBC_2.34 and GLIBC_2.3.4.
        let strings = strings.split(|byte| *byte == 0).filter_map(|string| std::str::from_utf8(string).ok());
        let versions = strings.filter_map(|string| string.strip_prefix("GLIBC_2.")?.split('.').next());
        self.glibc = versions.filter_map(|minor| minor.parse().ok()).chain([self.glibc]).max()?;
        Some(())
    }
}

/// An entry of the table of segments.
struct Segment {
    kind: u64,
    /// In the file.
    offset: u64,
    /// In memory.
    address: u64,
    /// In the file.
    size: u64,
}

impl Segment {
    fn at(file: &[u8], entry: u64) -> Option<Self> {
        let field = |at: u64, bytes| number(file, entry.checked_add(at)?, bytes);
        Some(Self {
            kind: field(0, 4)?,
            offset: field(0x08, 8)?,
            address: field(0x10, 8)?,
            size: field(0x20, 8)?,
        })
    }

    /// Where in the file the byte is that is loaded to this address.
    fn offset_of(&self, address: u64) -> Option<u64> {
        let distance = address.checked_sub(self.address).filter(|distance| *distance < self.size)?;
        self.offset.checked_add(distance).filter(|_| self.kind == PT_LOAD)
    }
}

fn part(file: &[u8], offset: u64, size: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    file.get(start..start.checked_add(usize::try_from(size).ok()?)?)
}

/// The unsigned number of this many bytes at this offset.
fn number(file: &[u8], offset: u64, bytes: u64) -> Option<u64> {
    Some(part(file, offset, bytes)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRINGS: &[u8] = b"\0libc.so.6\0libm.so.6\0GLIBC_2.34\0GLIBC_2.3.4\0GLIBC_PRIVATE\0";
    /// Where the executables below are loaded to.
    const BASE: u64 = 0x10_0000;

    /// An executable with these program headers, each a type, the content of the dynamic section, and after it the strings,
    /// `BASE + strings()` in memory.
    fn executable(headers: &[u64], dynamic: &[u64]) -> Vec<u8> {
        let start = 64 + 56 * headers.len();
        let mut file = b"\x7fELF\x02\x01".to_vec();
        file.resize(64, 0);
        file[0x20] = 64;
        file[0x36] = 56;
        file[0x38] = u8::try_from(headers.len()).unwrap();
        let size = dynamic.len() * 8;
        for kind in headers {
            let (offset, size) =
                if *kind == PT_LOAD { (0, start + size + STRINGS.len()) } else { (start, size) };
            let mut header = [0; 56];
            header[0] = u8::try_from(*kind).unwrap();
            header[0x08..0x10].copy_from_slice(&(offset as u64).to_le_bytes());
            header[0x10..0x18].copy_from_slice(&(BASE + offset as u64).to_le_bytes());
            header[0x20..0x28].copy_from_slice(&(size as u64).to_le_bytes());
            file.extend(header);
        }
        file.extend(dynamic.iter().flat_map(|word| word.to_le_bytes()));
        file.extend(STRINGS);
        file
    }

    /// An executable with an interpreter and two libraries.
    fn dynamic() -> Vec<u8> {
        let headers = [PT_INTERP, PT_LOAD, PT_DYNAMIC];
        let strings = BASE + 64 + 56 * 3 + 8 * 10;
        let size = STRINGS.len() as u64;
        executable(&headers, &[DT_NEEDED, 1, DT_NEEDED, 11, DT_STRTAB, strings, DT_STRSZ, size, 0, 0])
    }

    #[test]
    fn a_static_executable_may_have_a_dynamic_section_without_libraries() {
        let linking = Linking::of(&executable(&[1, PT_DYNAMIC], &[25, 1, 0, 0]));
        assert_eq!(linking, Some(Linking::default()));
    }

    #[test]
    fn interpreter_libraries_and_the_newest_version_of_glibc_are_found() {
        let libraries = ["libc.so.6", "libm.so.6"].map(str::to_owned).into();
        assert_eq!(Linking::of(&dynamic()), Some(Linking { interpreter: true, libraries, glibc: 34 }));
    }

    #[test]
    fn what_follows_the_end_of_the_dynamic_section_does_not_count() {
        let file = executable(&[PT_DYNAMIC], &[0, 0, DT_STRTAB, 0]);
        assert_eq!(Linking::of(&file), Some(Linking::default()));
    }

    #[test]
    fn a_file_cut_short_anywhere_is_refused() {
        let file = dynamic();
        for end in 0..file.len() {
            assert_eq!(Linking::of(&file[..end]), None, "{end} bytes");
        }
        assert_eq!(Linking::of(b"#!/bin/sh\n"), None);
    }

    #[test]
    fn this_test_itself_is_linked_dynamically() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let linking = Linking::of(&file).unwrap();
        assert!(linking.interpreter && linking.libraries.contains("libc.so.6"), "{linking:?}");
    }
}
