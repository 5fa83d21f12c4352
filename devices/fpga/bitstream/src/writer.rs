//! Makes bitstream files, for tests and for simulated cards. They are right in form; no hardware takes them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

pub use crate::elf::Layout;
use crate::gbs::MAGIC;
use crate::id::Id;
use crate::metadata::{Accelerator, Image, Metadata};

/// What most ELF files are.
pub const USUAL: Layout = Layout { is_wide: true, is_big_endian: false };

/// A GBS file.
pub fn gbs(interface: Id, afu: Id, payload: &[u8]) -> Vec<u8> {
    gbs_with(metadata(interface, afu), payload)
}

/// A GBS file with any metadata, good or bad.
pub fn gbs_with(metadata: impl AsRef<[u8]>, payload: &[u8]) -> Vec<u8> {
    let metadata = metadata.as_ref();
    let length = u32::try_from(metadata.len()).unwrap_or(u32::MAX);
    [MAGIC.as_slice(), &length.to_le_bytes(), metadata, payload].concat()
}

/// The metadata of a GBS file: JSON as the tools for these cards write it.
pub fn metadata(interface: Id, afu: Id) -> String {
    let accelerator =
        Accelerator { accelerator_type_uuid: afu, name: Some("example".to_owned()), total_contexts: Some(1) };
    let metadata = Metadata {
        version: Some(1),
        platform_name: Some("DCP".to_owned()),
        afu_image: Image {
            interface_uuid: interface,
            magic_no: Some(488_605_312),
            power: Some(0),
            accelerator_clusters: [accelerator],
        },
    };
    serde_json::to_string(&metadata).unwrap_or_default()
}

/// An AOCX file with a GBS file in it.
pub fn aocx(hash: &str, gbs: &[u8]) -> Vec<u8> {
    let texts = [(".acl.board", "pac_example\n"), (".acl.target", "fpga"), (".acl.version", "19.4.0.64")];
    let mut sections: Vec<(&str, &[u8])> = vec![(".acl.rand_hash", hash.as_bytes())];
    sections.extend(texts.map(|(name, text)| (name, text.as_bytes())));
    let inner = elf(USUAL, &[(".acl.gbs.gz", &gzip(gbs))]);
    sections.push((".acl.fpga.bin", &inner));
    elf(USUAL, &sections)
}

/// An ELF file with these sections, the table of which is at the end.
pub fn elf(layout: Layout, sections: &[(&str, &[u8])]) -> Vec<u8> {
    let number = |value: usize, width: usize| {
        let mut bytes = value.to_le_bytes().to_vec();
        bytes.resize(width, 0);
        if layout.is_big_endian {
            bytes.reverse();
        }
        bytes
    };
    let word = layout.word();
    let all_names: Vec<u8> = std::iter::once("")
        .chain(sections.iter().map(|(name, _)| *name))
        .chain([".shstrtab"])
        .flat_map(|name| [name.as_bytes(), &[0]].concat())
        .collect();
    let named = sections.iter().copied().chain([(".shstrtab", all_names.as_slice())]);

    let mut contents = Vec::new();
    // The first section is none.
    let mut table = vec![0; layout.section_header_size()];
    let mut name_at = 1;
    for (name, content) in named {
        let kind = if name == ".shstrtab" { 3 } else { 1 };
        table.extend([number(name_at, 4), number(kind, 4), number(0, 2 * word)].concat());
        table.extend(number(layout.file_header_size() + contents.len(), word));
        table.extend([number(content.len(), word), number(0, 8 + 2 * word)].concat());
        contents.extend_from_slice(content);
        name_at += name.len() + 1;
    }

    let mut file =
        vec![0x7f, b'E', b'L', b'F', 1 + u8::from(layout.is_wide), 1 + u8::from(layout.is_big_endian), 1];
    file.resize(16, 0);
    // e_type, e_machine: none; e_version: 1; e_entry, e_phoff: none.
    file.extend([number(0, 4), number(1, 4), number(0, 2 * word)].concat());
    file.extend(number(layout.file_header_size() + contents.len(), word));
    // e_flags, e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx.
    file.extend([number(0, 4), number(layout.file_header_size(), 2), number(0, 4)].concat());
    let count = sections.len() + 2;
    file.extend([number(layout.section_header_size(), 2), number(count, 2), number(count - 1, 2)].concat());
    file.extend([contents, table].concat());
    file
}

/// What `gzip` makes of it.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let _ = packed.write_all(bytes);
    packed.finish().unwrap_or_default()
}
