//! What the targets share.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use fpga_bitstream::Bitstream;
use rustix::fs::{MemfdFlags, memfd_create};

thread_local! {
    static FILE: RefCell<File> = RefCell::new(File::from(memfd_create("input", MemfdFlags::CLOEXEC).unwrap()));
}

/// Reads all that there is in a file of that name and content.
pub fn read(name: &str, content: &[u8]) {
    FILE.with_borrow(|file| {
        file.set_len(0).unwrap();
        file.write_all_at(content, 0).unwrap();
        let bitstream = match Bitstream::read(file.try_clone().unwrap(), name.into()) {
            Ok(bitstream) => bitstream,
            Err(error) => {
                assert!(error.to_string().len() < 1000, "a long error: {error}");
                return;
            }
        };
        let _ = (bitstream.extra(), bitstream.name());
        let payload = bitstream.payload().expect("a file that was checked");
        assert_eq!(payload.len() as u64, bitstream.payload_size());
        assert_eq!(bitstream.interface_id().to_string().len(), 32);
        assert_eq!(bitstream.afu_id().to_string().len(), 32);
    });
}
