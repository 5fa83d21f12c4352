//! The header of a GBS file.

use std::io::Read;

use crate::error::Fault;
use crate::metadata::Metadata;

/// The longest payload that is taken, in bytes: 128 MiB. The largest cards need about half.
pub const MAX_PAYLOAD: u64 = 128 << 20;

/// The two GUIDs that a file begins with.
pub(crate) const MAGIC: [u8; 16] = *b"XeonFPGA\xb7GBSv001";
/// Before the metadata.
const HEADER: u64 = 20;
/// The first length of metadata that is too long.
const METADATA_END: u32 = 4096;

/// What is before the payload.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) metadata: Metadata,
    /// Where the payload begins.
    pub(crate) payload: u64,
}

impl Header {
    /// Reads up to the payload, and not a byte further.
    pub(crate) fn read(file: &mut impl Read) -> Result<Self, Fault> {
        let (mut magic, mut length) = ([0; MAGIC.len()], [0; 4]);
        file.read_exact(&mut magic).map_err(|error| Fault::reading(error, 0, "the header of a GBS file"))?;
        if magic != MAGIC {
            let hex = |bytes: [u8; 16]| format!("{:#034x}", u128::from_be_bytes(bytes));
            return Err(Fault::malformed(0, format!("the magic of a GBS file, {}", hex(MAGIC)), hex(magic)));
        }
        file.read_exact(&mut length)
            .map_err(|error| Fault::reading(error, MAGIC.len() as u64, "the length of the metadata"))?;
        let length = u32::from_le_bytes(length);
        if length == 0 || length >= METADATA_END {
            let expected = format!("a length of metadata from 1 to {}", METADATA_END - 1);
            return Err(Fault::malformed(MAGIC.len() as u64, expected, length.to_string()));
        }
        let mut window = vec![0; length as usize];
        file.read_exact(&mut window)
            .map_err(|error| Fault::reading(error, HEADER, &format!("{length} bytes of metadata")))?;
        Ok(Self { metadata: Metadata::parse(&window, HEADER)?, payload: HEADER + u64::from(length) })
    }

    /// Checks how long the payload is.
    pub(crate) fn check_payload(&self, len: u64) -> Result<(), Fault> {
        if (1..=MAX_PAYLOAD).contains(&len) {
            return Ok(());
        }
        let found = match len {
            0 => "the end".to_owned(),
            _ => "more".to_owned(),
        };
        Err(Fault::malformed(self.payload, format!("1 to {MAX_PAYLOAD} bytes of bitstream"), found))
    }
}
