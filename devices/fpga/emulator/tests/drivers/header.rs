//! The emulator, asked by a C program with the kernel's own header: it must not be wrong in the same way as we are.

use std::process::Command;

use crate::scene::{DFL, Said, Scene};

#[test]
fn a_c_program_with_the_kernels_header_gets_the_kernels_answers() {
    let scene = Scene::on(DFL);
    let binary = scene.file("requests", b"");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drivers/requests.c");
    let compiled =
        Command::new("cc").args(["-D_GNU_SOURCE", "-Wall", "-Werror", "-o", &binary, source]).status();
    assert!(compiled.unwrap().success());
    let node = |name: &str| scene.at("dev").join(name).to_str().unwrap().to_owned();
    let (fme, port) = (node(DFL.fme), node(DFL.port));
    let said = Said::of(&scene.emulator(&[], &[&binary, &fme, &port]).output().unwrap());
    let expected = "\
version of the engine: 0
version of the port: 0
extension: 0
reset: 0
info: 0
regions 2 umsgs 0
info, too small: EINVAL
info of nowhere: EFAULT
region: 0
flags 7 size 8192 offset 262144
region that is not there: EINVAL
reset of the engine: EINVAL
another number: EINVAL
program: EIO
program the port: EINVAL
program, too small: EINVAL
program with flags: EINVAL
program a port that is not there: EINVAL
program from nowhere: EFAULT
release a port that is not there: ENODEV
release a port that is open: EBUSY
assign a port that is not released: EBUSY";
    assert_eq!(said.good(), expected);
    // What it is asked for is in the log as the program has it.
    let events = scene.events();
    let info = events.iter().find(|event| event["request"] == "info").unwrap();
    assert_eq!(info["argument"]["argsz"], 16);
    let pr = events.iter().find(|event| event["request"] == "pr").unwrap();
    assert_eq!(pr["argument"]["buffer_size"], 13);
    assert_eq!(pr["argument"]["buffer_crc32"], format!("{:08x}", crc32fast::hash(b"no bitstream\0")));
}
