//! An archive of texts: a `.tar.gz` (`ustar` of POSIX.1-1988), in memory.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::redact::Redactor;

/// Of one text; the rest is cut off.
pub const MOST_BYTES: usize = 1 << 20;

const BLOCK: usize = 512;

/// An archive that is being made. All that goes in is redacted.
#[derive(Debug)]
pub struct Archive {
    folder: &'static str,
    redactor: Redactor,
    tar: Vec<u8>,
    /// The names that are in it, and their sizes in bytes.
    contents: Vec<(&'static str, usize)>,
}

impl Archive {
    /// An empty one; its files are in `folder`.
    pub fn new(folder: &'static str, redactor: Redactor) -> Self {
        Self { folder, redactor, tar: Vec::new(), contents: Vec::new() }
    }

    /// Adds a file.
    pub fn add(&mut self, name: &'static str, text: &str) {
        let text = self.redactor.redact(text);
        self.put(name, text);
    }

    /// Adds a recording, which works no more when a word of it is taken out, and has no names of hosts.
    pub fn add_recording(&mut self, name: &'static str, text: &str) {
        let text = self.redactor.redact_unknown(text);
        self.put(name, text);
    }

    fn put(&mut self, name: &'static str, mut text: String) {
        if text.len() > MOST_BYTES {
            let end = (0..=MOST_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
            let whole = text.len();
            text.truncate(end);
            text += &format!("\n... of {whole} bytes; the rest was cut off\n");
        }
        self.tar.extend_from_slice(&header(&format!("{}/{name}", self.folder), text.len()));
        self.tar.extend_from_slice(text.as_bytes());
        self.tar.resize(self.tar.len().next_multiple_of(BLOCK), 0);
        self.contents.push((name, text.len()));
    }

    /// The files that are in it, with their sizes in bytes.
    pub fn contents(&self) -> &[(&'static str, usize)] {
        &self.contents
    }

    /// The finished archive.
    pub fn finish(mut self) -> io::Result<Vec<u8>> {
        self.tar.resize(self.tar.len() + 2 * BLOCK, 0);
        let mut zip = GzEncoder::new(Vec::new(), Compression::default());
        zip.write_all(&self.tar)?;
        zip.finish()
    }
}

/// Of a plain file that only its owner may read, made at no time.
fn header(path: &str, size: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| {
        for (place, byte) in header.iter_mut().skip(at).zip(text) {
            *place = *byte;
        }
    };
    // Up to 100 bytes; the names are ours.
    put(0, path.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    for (place, byte) in header.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
        *place = byte;
    }
    header
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn others_can_read_it() {
        let mut archive = Archive::new("folder", Redactor::default());
        let long = "\u{e9}".repeat(MOST_BYTES);
        for (name, text) in
            [("a.txt", "at 10.1.2.3\n"), ("empty", ""), ("block", &"x".repeat(BLOCK)), ("long", &long)]
        {
            archive.add(name, text);
        }
        let contents = archive.contents().to_vec();
        let packed = archive.finish().unwrap();
        let mut files = Vec::new();
        let mut unpacked = tar::Archive::new(flate2::read::GzDecoder::new(&packed[..]));
        for entry in unpacked.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            assert_eq!(entry.header().mode().unwrap(), 0o600);
            files.push((entry.path().unwrap().display().to_string(), text));
        }
        let sizes: Vec<(String, usize)> =
            files.iter().map(|(name, text)| (name.clone(), text.len())).collect();
        let expected = contents.iter().map(|(name, size)| (format!("folder/{name}"), *size));
        assert_eq!(sizes, expected.collect::<Vec<_>>());
        assert_eq!(files[0].1, "at <ip-1>\n");
        assert!(files[3].1.ends_with("... of 2097152 bytes; the rest was cut off\n"));
    }
}
