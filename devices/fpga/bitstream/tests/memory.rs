//! How much of a file is in memory. Alone in its process, for the process is what is measured.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use fpga_bitstream::writer::{USUAL, elf, gzip};
use fpga_bitstream::{Bitstream, Id, MAX_PAYLOAD, writer};

const ROOM: u64 = 24 << 20;

/// The most memory that this process had so far, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn the_largest_file_is_in_memory_once_and_only_if_asked_for() {
    let id: Id = "69528db6eb31577a8c3668f9faa081f6".parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let start = writer::gbs(id, id, b"");

    let plain = folder.path().join("x.gbs");
    fs::write(&plain, &start).unwrap();
    let file = fs::File::options().write(true).open(&plain).unwrap();
    file.set_len(start.len() as u64 + MAX_PAYLOAD).unwrap();

    let packed = folder.path().join("x.aocx");
    let megabytes = gzip(&vec![0; 1 << 20]).repeat(usize::try_from(MAX_PAYLOAD >> 20).unwrap());
    let inner = elf(USUAL, &[(".acl.gbs.gz", &[gzip(&start), megabytes].concat())]);
    fs::write(&packed, elf(USUAL, &[(".acl.fpga.bin", &inner)])).unwrap();

    let before = peak();
    let files = [plain, packed].map(|path| Bitstream::open(path).unwrap());
    assert!(peak() < before + ROOM / 8, "opening took {} bytes", peak() - before);
    for file in files {
        assert_eq!(file.payload().unwrap().len() as u64, MAX_PAYLOAD);
        assert!(peak() < before + MAX_PAYLOAD + ROOM, "{} bytes", peak() - before);
    }
}
