//! Checksums.

use ring::digest::{SHA256, digest};

/// SHA-256, in hexadecimal digits.
pub(crate) fn sha256(content: &[u8]) -> String {
    let digits: Vec<String> =
        digest(&SHA256, content).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}
