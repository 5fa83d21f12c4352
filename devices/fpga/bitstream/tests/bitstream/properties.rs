use std::fs::File;
use std::path::PathBuf;

use fpga_bitstream::writer::{self, Layout, elf, gzip};
use fpga_bitstream::{Bitstream, Id};
use proptest::prelude::*;
use rustix::fs::{MemfdFlags, memfd_create};

use crate::scene::{aocx, gbs, id};

/// Reads all that there is of a file.
fn survives(name: &str, content: &[u8]) -> Option<Vec<u8>> {
    let file = File::from(memfd_create("bitstream", MemfdFlags::CLOEXEC).unwrap());
    std::os::unix::fs::FileExt::write_all_at(&file, content, 0).unwrap();
    match Bitstream::read(file, PathBuf::from(name)) {
        Ok(bitstream) => {
            let _ = (bitstream.extra(), bitstream.name(), bitstream.afu_id());
            // It was checked, and nobody has changed it.
            let payload = bitstream.payload().unwrap();
            assert_eq!(payload.len() as u64, bitstream.payload_size());
            Some(payload)
        }
        Err(error) => {
            assert!(error.to_string().len() < 600, "{error}");
            None
        }
    }
}

fn any_id() -> impl Strategy<Value = Id> {
    any::<u128>().prop_map(|number| id(&format!("{number:032x}")))
}

fn any_layout() -> impl Strategy<Value = Layout> {
    any::<(bool, bool)>().prop_map(|(is_wide, is_big_endian)| Layout { is_wide, is_big_endian })
}

proptest! {
    #[test]
    fn what_is_written_is_read(interface in any_id(), afu in any_id(), payload in prop::collection::vec(any::<u8>(), 1..3000)) {
        let gbs = writer::gbs(interface, afu, &payload);
        for (name, file) in [("x.aocx", writer::aocx("abc", &gbs)), ("x.gbs", gbs)] {
            prop_assert!(survives(name, &file).is_some_and(|read| read == payload));
        }
    }

    #[test]
    fn sections_may_be_in_any_order_and_layout(
        outer in any_layout(),
        inner in any_layout(),
        others in prop::collection::vec(("[.a-z]{0,12}", prop::collection::vec(any::<u8>(), 0..40)), 0..20),
        at in any::<prop::sample::Index>(),
    ) {
        let packed = gzip(&gbs());
        let mut sections: Vec<(&str, &[u8])> = others.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
        let at = at.index(sections.len() + 1);
        sections.insert(at, (".acl.gbs.gz", &packed));
        let content = elf(inner, &sections);
        sections[at] = (".acl.fpga.bin", &content);
        prop_assert_eq!(survives("x.aocx", &elf(outer, &sections)), Some(b"bits".to_vec()));
    }

    #[test]
    fn anything_is_an_error_or_a_bitstream(content in prop::collection::vec(any::<u8>(), 0..2000)) {
        survives("x.gbs", &content);
        survives("x.aocx", &content);
        survives("x.gbs", &[&gbs()[..20], &content].concat());
        survives("x.aocx", &[b"\x7fELF\x02\x01", content.as_slice()].concat());
        survives("x.aocx", &writer::aocx("abc", &content));
    }

    #[test]
    fn several_changed_bytes_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        for (name, mut file) in [("x.gbs", gbs()), ("x.aocx", aocx())] {
            for (at, byte) in &changes {
                let at = at.index(file.len());
                file[at] = *byte;
            }
            survives(name, &file);
        }
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_survived() {
    for (name, file) in [("x.gbs", gbs()), ("x.aocx", aocx())] {
        for length in 0..file.len() {
            let payload = survives(name, &file[..length]);
            // Only the payload of a GBS file has no end of its own.
            let may_be_good = name == "x.gbs" && length > gbs().len() - 4;
            assert_eq!(payload.is_some(), may_be_good, "{name} of {length} bytes");
        }
    }
}

#[test]
fn any_flipped_bit_is_survived() {
    for (name, file) in [("x.gbs", gbs()), ("x.aocx", aocx())] {
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut file = file.clone();
                file[at] ^= 1 << bit;
                survives(name, &file);
            }
        }
    }
}

#[test]
fn what_fuzzing_begins_with_is_survived() {
    let mut files = 0;
    for (kind, good) in [("gbs", 3), ("aocx", 7)] {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/corpus").join(kind);
        let contents =
            std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
        let read: Vec<_> = contents.map(|content| survives(&format!("x.{kind}"), &content)).collect();
        files += read.len();
        assert!(read.iter().flatten().count() >= good, "{kind}");
    }
    assert!(files >= 15);
}
