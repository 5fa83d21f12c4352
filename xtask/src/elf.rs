//! How an executable is linked, from its ELF headers
//! ([System V ABI](https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html), chapters 4 and 5).

const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const DT_NEEDED: u64 = 1;

/// What an executable wants from the system it runs on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Linking {
    /// It is started by a dynamic linker.
    pub(crate) interpreter: bool,
    /// How many shared libraries it needs.
    pub(crate) libraries: usize,
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
        let mut linking = Self { interpreter: false, libraries: 0 };
        for index in 0..entries {
            let entry = table.checked_add(index * entry_size)?;
            match number(file, entry, 4)? {
                PT_INTERP => linking.interpreter = true,
                PT_DYNAMIC => {
                    let start = number(file, entry.checked_add(0x08)?, 8)?;
                    let size = number(file, entry.checked_add(0x20)?, 8)?;
                    linking.libraries += libraries(file, start, size)?;
                }
                _ => {}
            }
        }
        Some(linking)
    }
}

/// Counts the entries of a dynamic section that name a library.
fn libraries(file: &[u8], start: u64, size: u64) -> Option<usize> {
    let start = usize::try_from(start).ok()?;
    let section = file.get(start..start.checked_add(usize::try_from(size).ok()?)?)?;
    // Each entry is a tag and a value, of eight bytes each.
    let needed = section.chunks_exact(16).filter(|entry| number(entry, 0, 8) == Some(DT_NEEDED));
    Some(needed.count())
}

/// The unsigned number of this many bytes at this offset.
fn number(file: &[u8], offset: u64, bytes: usize) -> Option<u64> {
    let offset = usize::try_from(offset).ok()?;
    let bytes = file.get(offset..offset.checked_add(bytes)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An executable with these program headers, each a type, and the content of the dynamic section.
    fn executable(headers: &[u64], dynamic: &[u64]) -> Vec<u8> {
        let start = 64 + 56 * headers.len();
        let mut file = b"\x7fELF\x02\x01".to_vec();
        file.resize(64, 0);
        file[0x20] = 64;
        file[0x36] = 56;
        file[0x38] = u8::try_from(headers.len()).unwrap();
        for kind in headers {
            let mut header = [0; 56];
            header[0] = u8::try_from(*kind).unwrap();
            header[0x08..0x10].copy_from_slice(&(start as u64).to_le_bytes());
            header[0x20..0x28].copy_from_slice(&(dynamic.len() as u64 * 8).to_le_bytes());
            file.extend(header);
        }
        file.extend(dynamic.iter().flat_map(|word| word.to_le_bytes()));
        file
    }

    #[test]
    fn a_static_executable_may_have_a_dynamic_section_without_libraries() {
        let linking = Linking::of(&executable(&[1, PT_DYNAMIC], &[25, 1, 0, 0]));
        assert_eq!(linking, Some(Linking { interpreter: false, libraries: 0 }));
    }

    #[test]
    fn interpreter_and_libraries_are_found() {
        let file = executable(&[PT_INTERP, PT_DYNAMIC], &[DT_NEEDED, 7, DT_NEEDED, 9, 0, 0]);
        assert_eq!(Linking::of(&file), Some(Linking { interpreter: true, libraries: 2 }));
    }

    #[test]
    fn a_file_cut_short_anywhere_is_refused() {
        let file = executable(&[PT_INTERP, PT_DYNAMIC], &[DT_NEEDED, 7]);
        for end in 0..file.len() {
            assert_eq!(Linking::of(&file[..end]), None, "{end} bytes");
        }
        assert_eq!(Linking::of(b"#!/bin/sh\n"), None);
    }

    #[test]
    fn this_test_itself_is_linked_dynamically() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let linking = Linking::of(&file).unwrap();
        assert!(linking.interpreter && linking.libraries > 0, "{linking:?}");
    }
}
