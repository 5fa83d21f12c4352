use std::collections::BTreeMap;
use std::mem::offset_of;
use std::process::Command;

use super::*;

type Values = BTreeMap<String, u64>;

/// What C says of the same things: each expression of the kernel's header, by the name that it has here.
fn of_header(expressions: &[(&str, &str)]) -> Values {
    let mut program = String::from("#include <stddef.h>\n#include <stdio.h>\n#include <linux/fpga-dfl.h>\n");
    program += "#define AT(type, field) offsetof(struct type, field)\nint main(void) {\n";
    for (name, expression) in expressions {
        program += &format!("printf(\"{name} %llu\\n\", (unsigned long long)({expression}));\n");
    }
    program += "}\n";
    let folder = tempfile::tempdir().unwrap();
    let (source, binary) = (folder.path().join("values.c"), folder.path().join("values"));
    std::fs::write(&source, program).unwrap();
    let compiled = Command::new("cc").arg("-o").arg(&binary).arg(&source).status();
    assert!(compiled.expect("a C compiler and the kernel's headers (linux-libc-dev)").success());
    let output = Command::new(&binary).output().unwrap();
    let line = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    String::from_utf8(output.stdout).unwrap().lines().map(line).collect()
}

#[test]
fn the_numbers_of_dfl_are_those_of_the_kernels_header() {
    let expressions = [
        ("version", "DFL_FPGA_GET_API_VERSION"),
        ("extension", "DFL_FPGA_CHECK_EXTENSION"),
        ("reset", "DFL_FPGA_PORT_RESET"),
        ("info", "DFL_FPGA_PORT_GET_INFO"),
        ("region", "DFL_FPGA_PORT_GET_REGION_INFO"),
        ("pr", "DFL_FPGA_FME_PORT_PR"),
        ("release", "DFL_FPGA_FME_PORT_RELEASE"),
        ("assign", "DFL_FPGA_FME_PORT_ASSIGN"),
    ];
    let ours = [
        ("version", opcode::none(DFL, GET_API_VERSION)),
        ("extension", opcode::none(DFL, CHECK_EXTENSION)),
        ("reset", opcode::none(DFL, PORT_RESET)),
        ("info", opcode::none(DFL, PORT_GET_INFO)),
        ("region", opcode::none(DFL, PORT_GET_REGION_INFO)),
        ("pr", opcode::none(DFL, FME_PORT_PR)),
        ("release", opcode::write::<i32>(DFL, FME_PORT_RELEASE)),
        ("assign", opcode::write::<i32>(DFL, FME_PORT_ASSIGN)),
    ];
    let ours: Values = ours.map(|(name, number)| (name.to_owned(), number.into())).into();
    assert_eq!(ours, of_header(&expressions));
}

#[test]
fn the_structs_of_dfl_are_those_of_the_kernels_header() {
    macro_rules! compare {
        ($($ours:ident = $theirs:literal: $($field:ident)+;)+) => {{
            let ours: Values = [$(
                (stringify!($ours).to_owned(), size_of::<$ours>() as u64),
                $((concat!(stringify!($ours), ".", stringify!($field)).to_owned(),
                    offset_of!($ours, $field) as u64),)+
            )+].into();
            let expressions = [$(
                (stringify!($ours), concat!("sizeof(struct ", $theirs, ")")),
                $((concat!(stringify!($ours), ".", stringify!($field)),
                    concat!("AT(", $theirs, ", ", stringify!($field), ")")),)+
            )+];
            assert_eq!(ours, of_header(&expressions));
        }};
    }
    compare! {
        DflPortInfo = "dfl_fpga_port_info": argsz flags num_regions num_umsgs;
        RegionInfo = "dfl_fpga_port_region_info": argsz flags index padding size offset;
        DflPortPr = "dfl_fpga_fme_port_pr": argsz flags port_id buffer_size buffer_address;
    }
}

/// That driver's header is in no distribution. These are the numbers that the Go implementation uses with it.
#[test]
fn the_requests_of_intels_driver_have_their_numbers_and_sizes() {
    let numbers = [
        GET_API_VERSION,
        CHECK_EXTENSION,
        PORT_RESET,
        PORT_GET_INFO,
        PORT_GET_REGION_INFO,
        FME_PORT_PR,
        FME_PORT_RELEASE,
        FME_PORT_ASSIGN,
    ];
    assert_eq!(
        numbers.map(|number| opcode::none(INTEL, number)),
        [0xb500, 0xb501, 0xb540, 0xb541, 0xb542, 0xb580, 0xb581, 0xb582]
    );
    assert_eq!(size_of::<IntelPortInfo>(), 24);
    assert_eq!(offset_of!(IntelPortInfo, num_regions), 12);
    assert_eq!(offset_of!(IntelPortInfo, num_umsgs), 16);
    assert_eq!(size_of::<IntelPortPr>(), 32);
    assert_eq!(offset_of!(IntelPortPr, buffer_address), 16);
    assert_eq!(offset_of!(IntelPortPr, status), 24);
    assert_eq!(size_of::<IntelPortId>(), 12);
    assert_eq!(offset_of!(IntelPortId, port_id), 8);
}

#[test]
fn another_file_does_not_know_the_requests() {
    use std::os::fd::AsFd as _;
    let file = tempfile::tempfile().unwrap();
    let file = file.as_fd();
    assert_eq!(api_version(file, DFL), Err(Errno::NOTTY));
    assert_eq!(dfl_port_info(file), Err(Errno::NOTTY));
    assert_eq!(dfl_program(file, 0, &[1]), Err(Errno::NOTTY));
    assert_eq!(intel_program(file, 0, &[1]), (Err(Errno::NOTTY), 0));
    assert_eq!(intel_move_port(file, FME_PORT_RELEASE, 0), Err(Errno::NOTTY));
}
