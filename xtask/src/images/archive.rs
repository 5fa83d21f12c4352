//! Files in an archive (tar), the same bytes for the same files: sorted, all of them root's and of the year 1970.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use flate2::{Compression, GzBuilder};
use tar::{EntryType, Header};

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// With its permissions.
    Folder(u32),
    /// A file that everybody may read.
    File(Vec<u8>),
    /// A file that everybody may run.
    Program(Vec<u8>),
    /// A symbolic link, and where it leads.
    Link(String),
}

/// What there is, by its path without a slash at the start.
pub(crate) type Tree = BTreeMap<String, Entry>;

/// The archive. Folders that the tree does not name are added.
pub(crate) fn pack(tree: &Tree) -> io::Result<Vec<u8>> {
    let mut all: BTreeMap<&str, &Entry> = BTreeMap::new();
    for (path, entry) in tree {
        let parents = path.match_indices('/').filter_map(|(end, _)| path.get(..end));
        parents.for_each(|folder| {
            all.entry(folder).or_insert(&Entry::Folder(0o755));
        });
        all.insert(path, entry);
    }
    let mut archive = tar::Builder::new(Vec::new());
    for (path, entry) in all {
        let (kind, mode, content) = match entry {
            Entry::Folder(mode) => (EntryType::Directory, *mode, &[][..]),
            Entry::File(content) => (EntryType::Regular, 0o644, content.as_slice()),
            Entry::Program(content) => (EntryType::Regular, 0o755, content.as_slice()),
            Entry::Link(_) => (EntryType::Symlink, 0o777, &[][..]),
        };
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        match entry {
            Entry::Link(target) => archive.append_link(&mut header, path, target)?,
            Entry::Folder(_) => archive.append_data(&mut header, format!("{path}/"), content)?,
            Entry::File(_) | Entry::Program(_) => archive.append_data(&mut header, path, content)?,
        }
    }
    archive.into_inner()
}

/// Compresses (gzip) without a name, a time or an operating system in the header.
pub(crate) fn compress(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    gzip.write_all(content)?;
    gzip.finish()
}
