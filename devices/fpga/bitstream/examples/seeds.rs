//! Writes the small files that fuzzing begins with, `fuzz/corpus`.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a chore")]

use std::fs;
use std::io;
use std::path::Path;

use fpga_bitstream::Id;
use fpga_bitstream::writer::{self, Layout, USUAL, elf, gzip};

const JSON: &str = r#"{"version":1,"platform-name":"DCP","afu-image":{"interface-uuid":"69528DB6-EB31-577A-8C36-68F9FAA081F6",
"magic-no":488605312,"power":0,"clock-frequency-high":"auto-400","clock-frequency-low":200.5,
"afu-top-interface":{"class":"ccip_std_afu","module-ports":[{"class":"cci-p","optional":true,"params":{"clock":"pClk"}}]},
"accelerator-clusters":[{"accelerator-type-uuid":"d8424dc4-a4a3-c413-f89e-433683f9040b","name":null,"total-contexts":1}]}}"#;

fn main() -> io::Result<()> {
    let id = |text: &str| text.parse::<Id>().expect("an id");
    let gbs =
        writer::gbs(id("69528db6eb31577a8c3668f9faa081f6"), id("d8424dc4a4a3c413f89e433683f9040b"), b"bits");
    write("gbs", "good", &gbs)?;
    write("gbs", "every_key", &writer::gbs_with(JSON, b"bits"))?;
    write("gbs", "padding", &writer::gbs_with(format!("{JSON}\n\0\0"), b"bits"))?;
    write("gbs", "no_payload", &writer::gbs_with(JSON, b""))?;
    write("gbs", "no_cluster", &writer::gbs_with(r#"{"afu-image":{"accelerator-clusters":[]}}"#, b"bits"))?;
    write("gbs", "empty_metadata", &writer::gbs_with("", b"bits"))?;

    write("aocx", "good", &writer::aocx("51d09f7d", &gbs))?;
    write("aocx", "no_hash", &writer::aocx("", &gbs))?;
    write("aocx", "no_bitstream", &elf(USUAL, &[(".acl.board", b"b")]))?;
    write("aocx", "two_members", &around(USUAL, &[gzip(&gbs[..30]), gzip(&gbs[30..])].concat()))?;
    write("aocx", "cut", &around(USUAL, &gzip(&gbs)[..40]))?;
    for is_wide in [false, true] {
        for is_big_endian in [false, true] {
            let name =
                format!("{}_{}", if is_wide { 64 } else { 32 }, if is_big_endian { "big" } else { "little" });
            write("aocx", &name, &around(Layout { is_wide, is_big_endian }, &gzip(&gbs)))?;
        }
    }
    Ok(())
}

fn around(layout: Layout, packed: &[u8]) -> Vec<u8> {
    elf(layout, &[(".acl.fpga.bin", &elf(layout, &[(".acl.gbs.gz", packed)]))])
}

fn write(target: &str, name: &str, content: &[u8]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), content)
}
