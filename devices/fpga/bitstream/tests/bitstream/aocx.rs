use std::fs;
use std::os::unix::fs::FileExt as _;

use fpga_bitstream::writer::{Layout, USUAL, elf, gzip};
use fpga_bitstream::{Bitstream, Kind, MAX_PAYLOAD, writer};
use tempfile::TempDir;

use crate::scene::{AFU, HASH, INTERFACE, OPENCL, aocx, chain, gbs, id, name, problem, read};

const LAYOUTS: [Layout; 4] = [
    Layout { is_wide: true, is_big_endian: false },
    Layout { is_wide: true, is_big_endian: true },
    Layout { is_wide: false, is_big_endian: false },
    Layout { is_wide: false, is_big_endian: true },
];

/// An AOCX file with this as its inner ELF file.
fn around(inner: &[u8]) -> Vec<u8> {
    elf(USUAL, &[(".acl.rand_hash", HASH.as_bytes()), (".acl.fpga.bin", inner)])
}

/// An AOCX file with this as its packed section.
fn packed(section: &[u8]) -> Vec<u8> {
    around(&elf(USUAL, &[(".acl.gbs.gz", section)]))
}

/// Where the only occurrence of some bytes is.
fn position(file: &[u8], bytes: &[u8]) -> usize {
    file.windows(bytes.len()).position(|window| window == bytes).unwrap()
}

#[test]
fn a_good_file_says_what_it_is() {
    let file = read("x.aocx", &aocx()).unwrap();
    assert_eq!(file.kind(), Kind::Aocx);
    assert_eq!(file.interface_id(), id(INTERFACE));
    assert_eq!(file.afu_id(), id(OPENCL));
    assert_eq!(file.name(), Some(name(HASH)));
    assert_eq!(file.payload_size(), 4);
    assert_eq!(file.payload().unwrap(), b"bits");
    assert_eq!(file.payload().unwrap(), b"bits");
    let extra = [
        ("Board", "pac_example"),
        ("Hash", HASH),
        ("Size", "4"),
        ("Target", "fpga"),
        ("Version", "19.4.0.64"),
    ];
    assert_eq!(file.extra(), extra.map(|(key, value)| (key, value.to_owned())));
}

#[test]
fn both_sizes_and_both_byte_orders_are_read() {
    for outer in LAYOUTS {
        for inner in LAYOUTS {
            let inner = elf(inner, &[("other", b"1"), (".acl.gbs.gz", &gzip(&gbs())), ("", b"")]);
            let file = elf(outer, &[(".acl.fpga.bin", &inner), (".acl.fpga.bin.old", b"x")]);
            assert_eq!(read("x.aocx", &file).unwrap().afu_id(), id(AFU), "{outer:?}");
        }
    }
}

#[test]
fn texts_are_trimmed_and_may_be_missing_or_of_any_bytes() {
    let inner = elf(USUAL, &[(".acl.gbs.gz", &gzip(&gbs()))]);
    let file = elf(USUAL, &[(".acl.board", b" a\xff\n"), (".acl.version", b"\n"), (".acl.fpga.bin", &inner)]);
    let file = read("x.aocx", &file).unwrap();
    assert_eq!(file.name(), None);
    let extra = [("Board", "a\u{fffd}"), ("Hash", ""), ("Size", "4"), ("Target", ""), ("Version", "")];
    assert_eq!(file.extra(), extra.map(|(key, value)| (key, value.to_owned())));
}

#[test]
fn the_name_is_the_hash_as_it_is_looked_for() {
    let file = read("x.aocx", &writer::aocx(" AB-cd-12\n", &gbs())).unwrap();
    assert_eq!(file.name(), Some(name("abcd12")));
}

#[test]
fn a_hash_that_is_no_name_is_refused() {
    for hash in ["../../../etc/passwd", "a/b", "..", "a\0", &"a".repeat(65)] {
        let file = writer::aocx(hash, &gbs());
        let problem = problem("x.aocx", &file);
        assert_eq!(problem.expected, "a hash of 1 to 64 letters and digits");
        assert_eq!(problem.found, format!("{hash:?}"));
        assert_eq!(problem.offset, 64);
    }
}

#[test]
fn a_text_has_an_end() {
    let file = elf(USUAL, &[(".acl.board", &[b'a'; 4097])]);
    let problem = problem("x.aocx", &file);
    assert_eq!(
        problem.to_string(),
        "expected the text of .acl.board of at most 4096 bytes at byte 64, found 4097"
    );
}

#[test]
fn what_is_no_elf_file_is_refused() {
    for (file, found) in [
        (b"".to_vec(), "the end"),
        (b"\x7fELF".to_vec(), "the end"),
        (gbs(), "[58, 65, 6f, 6e, 46, 50]"),
        (elf(USUAL, &[])[..63].to_vec(), "the end"),
        ([b"\x7fELF\x03\x01".as_slice(), &[0; 60]].concat(), "[7f, 45, 4c, 46, 03, 01]"),
        ([b"\x7fELF\x02\x00".as_slice(), &[0; 60]].concat(), "[7f, 45, 4c, 46, 02, 00]"),
    ] {
        assert_eq!(problem("x.aocx", &file).found, found);
    }
}

#[test]
fn what_is_missing_inside_is_named() {
    let none = problem("x.aocx", &elf(USUAL, &[(".acl.board", b"b")]));
    assert_eq!(
        none.to_string(),
        "expected an ELF file with a section .acl.fpga.bin at byte 0, found one without"
    );
    let inner = elf(USUAL, &[(".acl.board", b"b")]);
    let file = around(&inner);
    let none = problem("x.aocx", &file);
    assert_eq!(none.expected, "an ELF file with a section .acl.gbs.gz");
    assert_eq!(none.offset, position(&file, &inner) as u64);
    let none = problem("x.aocx", &around(b"no ELF file at all"));
    assert_eq!((none.offset, none.found.as_str()), (64 + HASH.len() as u64, "[6e, 6f, 20, 45, 4c, 46]"));
}

#[test]
fn a_section_that_is_there_twice_is_refused() {
    let file = elf(USUAL, &[(".acl.board", b"a"), (".acl.board", b"b")]);
    assert_eq!(problem("x.aocx", &file).to_string(), "expected one section .acl.board at byte 0, found more");
}

#[test]
fn a_table_of_sections_that_the_file_has_not_is_refused() {
    for layout in LAYOUTS {
        let good = elf(layout, &[(".acl.board", b"b")]);
        let (header, word) = if layout.is_wide { (64, 8) } else { (52, 4) };
        let with = |at: usize, bytes: &[u8]| {
            let mut file = good.clone();
            file[at..at + bytes.len()].copy_from_slice(bytes);
            problem("x.aocx", &file)
        };
        let two = |value: u16| if layout.is_big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        // Where the table is: far away, and so far that its end is no number.
        assert_eq!(
            with(24 + 2 * word, &vec![0x7f; word]).found.split(' ').next(),
            Some("120").filter(|_| !layout.is_wide).or(Some("192"))
        );
        assert!(with(24 + 2 * word, &vec![0xff; word]).expected.starts_with("the table of sections within "));
        assert_eq!(with(header - 6, &two(63)).found, "63");
        assert_eq!(
            with(header - 4, &two(0)).to_string(),
            format!("expected 1 to 1024 sections at byte {}, found 0", header - 4)
        );
        assert_eq!(with(header - 4, &two(1025)).found, "1025");
        assert!(with(header - 4, &two(1024)).expected.starts_with("the table of sections within "));
        assert_eq!(with(header - 2, &two(3)).expected, "the number of a section below 3");
        // Section 0 is none, and so has no names.
        assert_eq!(with(header - 2, &two(0)).expected, "the names of the sections with bytes in the file");
    }
}

#[test]
fn a_section_that_the_file_has_not_is_refused() {
    let good = elf(USUAL, &[(".acl.board", b"b")]);
    let section = good.len() - 2 * 64;
    let with = |at: usize, value: u64| {
        let mut file = good.clone();
        file[section + at..section + at + 8].copy_from_slice(&value.to_le_bytes());
        problem("x.aocx", &file)
    };
    let length = good.len() as u64;
    for (offset, size) in [(length, 1_u64), (length + 1, 0), (u64::MAX, 1), (u64::MAX, 0)] {
        let mut file = good.clone();
        file[section + 24..section + 32].copy_from_slice(&offset.to_le_bytes());
        file[section + 32..section + 40].copy_from_slice(&size.to_le_bytes());
        let problem = problem("x.aocx", &file);
        assert_eq!(problem.expected, format!("the section .acl.board within {length} bytes"));
        assert_eq!(problem.found, format!("{size} bytes from byte {offset} of it on"));
    }
    assert_eq!(with(32, u64::MAX).found, format!("{} bytes from byte 64 of it on", u64::MAX));
    assert_eq!(with(8, 0x800).found, "a packed one (SHF_COMPRESSED)");
    // SHT_NOBITS, in a field of 4 bytes after the name.
    assert_eq!(with(0, 1 | 8 << 32).expected, "the section .acl.board with bytes in the file");
}

#[test]
fn a_section_of_the_inner_file_does_not_reach_into_the_outer_one() {
    let inner = elf(USUAL, &[(".acl.gbs.gz", &gzip(&gbs()))]);
    let section = inner.len() - 2 * 64;
    let mut longer = inner.clone();
    longer[section + 24..section + 32].copy_from_slice(&(inner.len() as u64 + 1).to_le_bytes());
    // The outer file goes on after it.
    let file = elf(USUAL, &[(".acl.fpga.bin", &longer), ("more", &[0; 10_000])]);
    assert_eq!(
        problem("x.aocx", &file).expected,
        format!("the section .acl.gbs.gz within {} bytes", inner.len())
    );
}

#[test]
fn names_of_sections_have_an_end() {
    let long = "n".repeat(64 * 1024);
    let file = elf(USUAL, &[(&long, b"")]);
    assert!(
        problem("x.aocx", &file).expected.starts_with("the names of the sections of at most 65536 bytes")
    );
    // A name that the names end in the middle of, and one outside of them.
    for name in [1_u32, 0xffff_ffff] {
        let mut file = elf(USUAL, &[(".acl.board", b"b")]);
        let section = file.len() - 2 * 64;
        file[section..section + 4].copy_from_slice(&name.to_le_bytes());
        let names_size = file.len() - 64 + 32;
        file[names_size..names_size + 8].copy_from_slice(&11_u64.to_le_bytes());
        assert!(problem("x.aocx", &file).expected.contains(".acl.fpga.bin"));
    }
}

#[test]
fn what_is_packed_wrong_is_refused() {
    let good = gzip(&gbs());
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    for (section, what) in [
        (b"".to_vec(), "empty"),
        (gbs(), "not packed"),
        (flipped(0), "the magic"),
        (flipped(good.len() / 2), "the middle"),
        (flipped(good.len() - 1), "the length at the end"),
        (flipped(good.len() - 5), "the checksum"),
        (good[..good.len() - 1].to_vec(), "cut"),
        (good[..good.len() - 9].to_vec(), "cut before the checksum"),
        ([good.as_slice(), b"x"].concat(), "more after it"),
    ] {
        let problem = problem("x.aocx", &packed(&section));
        assert!(problem.unpacked, "{what}: {problem}");
    }
}

#[test]
fn a_bad_gbs_file_inside_is_told_with_its_place() {
    let mut bad = gbs();
    bad[16..20].copy_from_slice(&9999_u32.to_le_bytes());
    let problem = problem("x.aocx", &packed(&gzip(&bad)));
    let text =
        "expected a length of metadata from 1 to 4095 at byte 16 of the unpacked .acl.gbs.gz, found 9999";
    assert_eq!(problem.to_string(), text);
}

#[test]
fn an_aocx_without_a_payload_is_refused() {
    let empty = writer::gbs(id(INTERFACE), id(AFU), b"");
    let problem = problem("x.aocx", &packed(&gzip(&empty)));
    assert_eq!(
        (problem.unpacked, problem.offset, problem.found.as_str()),
        (true, empty.len() as u64, "the end")
    );
}

#[test]
fn what_is_packed_in_several_parts_is_one_file() {
    let file = gbs();
    let parts: Vec<u8> = file.chunks(7).flat_map(|part| [gzip(part), gzip(b"")].concat()).collect();
    assert_eq!(read("x.aocx", &packed(&parts)).unwrap().payload().unwrap(), b"bits");
    let many = [gzip(&file), gzip(b"").repeat(5_000)].concat();
    assert_eq!(read("x.aocx", &packed(&many)).unwrap().payload().unwrap(), b"bits");
}

#[test]
fn a_small_file_that_unpacks_to_a_very_large_one_is_refused() {
    let start = gbs()[..gbs().len() - 4].to_vec();
    let megabyte = gzip(&vec![0; 1 << 20]);
    let most = usize::try_from(MAX_PAYLOAD >> 20).unwrap();
    let with = |more: &[u8]| packed(&[&gzip(&start), &megabyte.repeat(most), more].concat());
    let file = with(b"");
    assert!(file.len() < 1 << 20);
    assert_eq!(read("x.aocx", &file).unwrap().payload_size(), MAX_PAYLOAD);
    // What is behind the first byte too many is not even looked at.
    let problem = problem("x.aocx", &with(&[&gzip(b"x"), b"garbage".as_slice()].concat()));
    assert_eq!(problem.expected, "1 to 134217728 bytes of bitstream");
    assert_eq!(problem.found, "more");
}

#[test]
fn a_packed_section_has_an_end() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.aocx");
    fs::write(&path, aocx()).unwrap();
    // Grown by a hole up to there, which costs no disk.
    let inner = elf(USUAL, &[(".acl.gbs.gz", b"")]);
    let (size, outer_size) = (MAX_PAYLOAD + (1 << 20) + 1, MAX_PAYLOAD * 2);
    let mut inner = inner;
    let section = inner.len() - 2 * 64;
    inner[section + 32..section + 40].copy_from_slice(&size.to_le_bytes());
    let mut outer = elf(USUAL, &[(".acl.fpga.bin", &inner)]);
    let section = outer.len() - 2 * 64;
    outer[section + 32..section + 40].copy_from_slice(&outer_size.to_le_bytes());
    fs::write(&path, &outer).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(outer_size + 64).unwrap();
    let error = chain(&Bitstream::open(&path).unwrap_err());
    assert!(error.contains("a section .acl.gbs.gz of at most 135266304 bytes"), "{error}");
}

#[test]
fn a_file_that_is_changed_after_it_was_opened_gives_no_payload() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.aocx");
    let long = writer::gbs(id(INTERFACE), id(AFU), &(0..=255).collect::<Vec<u8>>());
    fs::write(&path, packed(&gzip(&long))).unwrap();
    let file = Bitstream::open(&path).unwrap();
    let checksum = position(&fs::read(&path).unwrap(), &gzip(&long)) + gzip(&long).len() - 8;
    fs::File::options().write(true).open(&path).unwrap().write_at(b"wrong", checksum as u64).unwrap();
    let error = chain(&file.payload().unwrap_err());
    assert!(error.starts_with("cannot read the bitstream of /"), "{error}");
}
