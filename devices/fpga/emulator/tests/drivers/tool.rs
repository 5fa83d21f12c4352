//! The tool on the command line. Its lines are those of the Go implementation, for the scripts that read them.

use std::fs;

use fpga_bitstream::writer;
use serde_json::{Value, json};

use crate::scene::{ARRIA, CARDS, DFL, FIRST, OPAE, SECOND, STRATIX, Said, Scene};

impl Scene {
    fn tool(&self, args: &[&str]) -> Said {
        let root = self.node.root().to_str().unwrap();
        let program = [&[env!("CARGO_BIN_EXE_fpga-probe"), "tool"][..], args, &["-prefix", root]].concat();
        Said::of(&self.emulator(&[], &program).output().unwrap())
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.tool(&[args, &["--json"]].concat()).good()).unwrap()
    }

    /// A bitstream file, as a user has one.
    fn gbs(&self, interface: &str, function: &str) -> String {
        let payload = format!("SIMULATED BITSTREAM {interface} {function}\n");
        let gbs = writer::gbs(interface.parse().unwrap(), function.parse().unwrap(), payload.as_bytes());
        self.file(&format!("{function}.gbs"), &gbs)
    }
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn devices_are_listed_by_name() {
    let scene = Scene::on(OPAE);
    let all = "Detected FPGA FMEs: 2\nintel-fpga-fme.0\nintel-fpga-fme.1\n\
               Detected FPGA Ports: 2\nintel-fpga-port.0\nintel-fpga-port.1";
    assert_eq!(scene.tool(&["list"]).good(), all);
    assert_eq!(scene.tool(&["-q", "list-fme"]).good(), "intel-fpga-fme.0\nintel-fpga-fme.1");
    assert_eq!(scene.tool(&["list-port", "-q"]).good(), "intel-fpga-port.0\nintel-fpga-port.1");
    assert_eq!(scene.json(&["list-port"]), json!({"ports": ["intel-fpga-port.0", "intel-fpga-port.1"]}));
    let none = Scene::text("title A node without any\ndir /dev\n");
    assert_eq!(none.tool(&["list"]).good(), "Detected FPGA FMEs: 0\nDetected FPGA Ports: 0");
}

#[test]
fn a_management_engine_says_what_it_is() {
    let scene = Scene::on(DFL);
    let folder = scene.device(DFL.fme).display().to_string();
    let folder = folder.strip_prefix(scene.node.root().canonicalize().unwrap().to_str().unwrap()).unwrap();
    let path = format!("SysFS Path                       : {folder}");
    let quiet = [
        "//****** FME ******//",
        "Name                             : dfl-fme.0",
        "Device Node                      : /dev/dfl-fme.0",
        &path,
        "PCIe s:b:d:f                     : 0000:81:00.0",
        "Device Id                        : 0x8086:0x0b2b",
        "Interface UUID                   : bfac4d851ee856fe8c95865ce1bbaa2d",
    ];
    let said = scene.tool(&["-d", DFL.fme, "-q", "fmeinfo"]).good();
    assert_eq!(lines(&said), quiet);
    let said = scene.tool(&["-d", "/dev/dfl-fme.0", "fpgainfo"]).good();
    for line in [
        "Device Class                     : 0x120000",
        "NUMA                             : 1",
        "Kernet API Version               : 0",
        "Ports Num                        : 1",
        "Socket Id                        : 0",
        "Bitstream Id                     : 0x0023000410010310",
        "Bitstream Metadata               : 0x0000000020032300",
    ] {
        assert!(lines(&said).contains(&line), "{line} is not in\n{said}");
    }
    let json = scene.json(&["portinfo", "-d", DFL.fme]);
    assert_eq!((&json["interface"], &json["ports"]), (&json!(STRATIX), &json!(1)));
}

#[test]
fn a_port_says_what_it_is() {
    let scene = Scene::on(OPAE);
    let said = scene.tool(&["portinfo", "-d", OPAE.port]).good();
    let expected = [
        "FME Name                         : intel-fpga-fme.1",
        "Port Id                          : 0",
        "Interface UUID                   : 69528db6eb31577a8c3668f9faa081f6",
        "Accelerator UUID                 : f7df405cbd7acf7222f144b0b93acd18",
        "Kernet API Version               : 0",
        "Port Regions                     : 2",
        "Port Region (Index/Size/Offset)  : 0 / 262144 / 0",
        "Port Region (Index/Size/Offset)  : 1 / 8192 / 262144",
    ];
    let last = lines(&said).len() - expected.len();
    assert_eq!(lines(&said)[last..], expected);
    let json = scene.json(&["portinfo", "-d", OPAE.port]);
    assert_eq!(json["regions"][1], json!({"index": 1, "size": 8192, "offset": 262_144}));
    scene.events();
    // The driver resets a port when it is closed, and with it what is behind: a dry run opens nothing.
    scene.tool(&["portinfo", "-d", OPAE.port, "-dry-run"]).good();
    assert_eq!(scene.events(), [json!(null); 0]);
}

#[test]
fn a_port_is_looked_at_also_where_its_engine_has_no_node() {
    for card in CARDS {
        let mut scene = Scene::on(card);
        // As in a container that has the port.
        scene.node.delete(format!("/dev/{}", card.fme)).unwrap();
        let said = scene.tool(&["portinfo", "-d", card.port, "-dry-run"]).good();
        for line in [
            format!("FME Name                         : {}", card.fme),
            format!("Interface UUID                   : {}", card.interface),
            format!("Accelerator UUID                 : {SECOND}"),
        ] {
            assert!(lines(&said).contains(&line.as_str()), "{line} is not in\n{said}");
        }
    }
}

#[test]
fn a_port_that_has_another_function_than_it_should_is_an_error() {
    for card in CARDS {
        let scene = Scene::on(card);
        let info = |device: &str, function: &str| {
            scene.tool(&["portinfo", "-d", device, "-q", "-dry-run", "-afu", function])
        };
        let said = info(card.port, &SECOND.to_uppercase()).good();
        assert!(said.contains(SECOND), "{said}");
        let wrong = info(card.port, FIRST);
        assert_eq!((wrong.code, wrong.out), (1, said));
        assert_eq!(wrong.err, format!("fpga_tool: {} has the function {SECOND}, not {FIRST}", card.port));
        assert!(info(card.port, "../x").err.starts_with("fpga_tool: \"../x\" is no name of a bitstream: "));
        let engine = info(card.fme, FIRST);
        assert_eq!(engine.code, 1);
        assert!(engine.err.contains(", not an FPGA port (dfl-port.N or intel-fpga-port.N)"), "{engine:?}");
    }
}

#[test]
fn programming_says_what_was_there_and_what_is() {
    for card in CARDS {
        let scene = Scene::on(card);
        let file = scene.gbs(card.interface, FIRST);
        let (interface, port) = (card.interface, card.port);
        let said = |result: &str, after: &str| {
            format!(
                "Before: Interface ID: \"{interface}\" AFU ID: \"{SECOND}\"\n\
                 Programming \"{file}\" to port \"{port}\": {result}\n\
                 After : Interface ID: \"{interface}\" AFU ID: \"{after}\""
            )
        };
        assert_eq!(scene.tool(&["-b", &file, "-d", port, "-dry-run", "pr"]).good(), said("OK", SECOND));
        assert_eq!(scene.events(), [json!(null); 0]);
        assert_eq!(scene.tool(&["pr", "-b", &file, "-d", port]).good(), said("OK", FIRST));

        let other = if card.interface == ARRIA { STRATIX } else { ARRIA };
        let wrong = scene.tool(&["pr", "-b", &scene.gbs(other, SECOND), "-d", port]);
        assert_eq!(wrong.code, 1);
        assert!(lines(&wrong.out)[1].ends_with(": FAILED"), "{wrong:?}");
        assert!(wrong.err.starts_with("fpga_tool: the bitstream is for the interface"), "{wrong:?}");
        assert_eq!(scene.function(port), FIRST);
        assert_eq!(scene.tool(&["-q", "pr", "-b", &scene.gbs(interface, SECOND), "-d", port]).good(), "");
        assert_eq!(scene.function(port), SECOND);
    }
}

#[test]
fn ports_are_released_and_assigned() {
    for card in CARDS {
        let scene = Scene::on(card);
        let dry = format!("Dry-run: would release port 0 of {}", card.fme);
        assert_eq!(scene.tool(&["release", "-d", card.fme, "-dry-run"]).good(), dry);
        assert_eq!(scene.events(), [json!(null); 0]);
        assert_eq!(scene.tool(&["release", "-d", card.fme, "-p", "0"]).good(), "");
        assert!(!scene.at("sys/bus/platform/devices").join(card.port).exists());
        assert_eq!(scene.tool(&["assign", "-d", card.fme, "-p", "0"]).good(), "");
        assert_eq!(scene.function(card.port), SECOND);
        let error = scene.tool(&["release", "-d", card.fme, "-p", "4294967296"]).bad();
        assert_eq!(error, "fpga_tool: -p 4294967296 is no port: ports are numbered from 0 to 4294967295");
        assert!(
            scene.tool(&["release", "-d", card.fme, "-p", "7", "-dry-run"]).bad().contains("has no port 7")
        );
    }
}

#[test]
fn files_say_what_they_are_and_are_installed_where_the_hook_finds_them() {
    let scene = Scene::on(DFL);
    let file = scene.gbs(STRATIX, FIRST);
    let place = format!("/srv/intel.com/fpga/{STRATIX}/{FIRST}.gbs");
    let info = format!(
        "Bitstream file        : \"{file}\"\nInterface UUID        : \"{STRATIX}\"\nAccelerator Type UUID : \"{FIRST}\"\n\
         Unique UUID           : \"{FIRST}\"\nInstallation Path     : \"{place}\""
    );
    assert_eq!(scene.tool(&["info", "-b", &file, "-q"]).good(), info);
    let size = format!("SIMULATED BITSTREAM {STRATIX} {FIRST}\n").len();
    assert_eq!(scene.tool(&["info", "-b", &file]).good(), format!("{info}\nExtra:\n\tSize : \"{size}\""));
    assert_eq!(scene.json(&["info", "-b", &file])["extra"]["Size"], json!(size.to_string()));

    let installing = format!("Installing bitstream \"{file}\" as \"{place}\"");
    let dry = scene.tool(&["install", "-b", &file, "-dry-run"]).good();
    assert_eq!(dry, format!("{installing}\nDry-run: no copying performed"));
    // Quiet, a dry run is one too.
    assert_eq!(scene.tool(&["install", "-b", &file, "-q", "-dry-run"]).good(), "");
    assert!(!scene.at("srv").exists());

    assert_eq!(scene.tool(&["install", "-b", &file]).good(), installing);
    assert_eq!(fs::read(scene.at(&place)).unwrap(), fs::read(&file).unwrap());
    let again = scene.tool(&["install", "-b", &file, "-q"]).bad();
    assert_eq!(
        again,
        format!("fpga_tool: destination file \"{place}\" already exist. Use --force to overwrite it")
    );
    scene.tool(&["install", "-b", &file, "-force"]).good();
}

#[test]
fn files_that_lack_something_are_no_more_than_looked_at() {
    let scene = Scene::on(DFL);
    let gbs = writer::gbs(STRATIX.parse().unwrap(), FIRST.parse().unwrap(), b"bits");
    // Without a hash it has no place in the store.
    let nameless = scene.file("nameless.aocx", &writer::aocx("", &gbs));
    let info = scene.tool(&["info", "-b", &nameless]).good();
    assert!(lines(&info).contains(&"Installation Path     : \"\""), "{info}");
    for args in [&["install", "-b", &nameless][..], &["install", "-b", &nameless, "-force", "-q"]] {
        let error = scene.tool(args).bad();
        assert_eq!(
            error,
            format!(
                "fpga_tool: {nameless} has no hash (section .acl.rand_hash), so it has no place in a store"
            )
        );
    }
    // Nothing to program is no bitstream.
    let layout = writer::Layout { is_wide: true, is_big_endian: false };
    let no_gbs = scene.file("no.aocx", &writer::elf(layout, &[(".acl.board", b"board")]));
    let empty = scene.file("empty.gbs", &writer::gbs(STRATIX.parse().unwrap(), FIRST.parse().unwrap(), b""));
    for (file, expected) in
        [(no_gbs, "with a section .acl.fpga.bin"), (empty, "1 to 134217728 bytes of bitstream")]
    {
        for args in
            [&["info"][..], &["install"], &["pr", "-dry-run", "-d", DFL.port], &["pr", "-d", DFL.port]]
        {
            let error = scene.tool(&[args, &["-b", &file]].concat()).bad();
            assert!(error.starts_with(&format!("fpga_tool: {file} is no good bitstream: ")), "{error}");
            assert!(error.contains(expected), "{error}");
        }
    }
    assert!(!scene.at("srv").exists());
    assert_eq!(scene.events(), [json!(null); 0]);
}

#[test]
fn what_is_missing_or_wrong_is_said() {
    let scene = Scene::on(DFL);
    for (args, code, expected) in [
        (&["info"][..], 1, "fpga_tool: Invalid arguments: bitstream filename is missing"),
        (&["pr", "-b", "x.gbs"], 1, "fpga_tool: Invalid arguments: FPGA device name is missing"),
        (&["fpgainfo"], 1, "fpga_tool: Invalid arguments: FPGA device name is missing"),
        (&[], 1, "fpga_tool: no command; it must be one of info, install, list, "),
        (&["lst"], 1, "fpga_tool: unknown command \"lst\": did you mean list?"),
        (&["info", "-b", "/none.gbs"], 1, "fpga_tool: cannot open /none.gbs: No such file"),
        (
            &["info", "-b", "/etc/passwd"],
            1,
            "fpga_tool: /etc/passwd is no bitstream: the name of one ends in .gbs",
        ),
        (&["fpgainfo", "-d", "none"], 1, "fpga_tool: cannot look at /dev/none: No such file"),
        (&["list", "-bad"], 2, "flag provided but not defined: -bad"),
    ] {
        let said = scene.tool(args);
        assert_eq!(said.code, code, "{said:?}");
        assert!(said.err.starts_with(expected), "{said:?}");
    }
    assert!(scene.tool(&["-h"]).err.contains("release"));
}
