//! The hook, as a container runtime runs it.

use std::fs;
use std::io::Write as _;
use std::process::{Child, Stdio};

use fpga_bitstream::writer;
use host::DeviceNumber;
use serde_json::{Value, json};

use crate::locks::{Programming, wait_for_second};
use crate::scene::{ARRIA, CARDS, Card, DFL, FIRST, OPAE, SECOND, STRATIX, Said, Scene, ended};

/// The function of all `OpenCL` programs of a board.
const OPENCL: &str = "18b79ffa2ee54aa096ef4230dafacb5f";
const PROGRAM: &str = "0123456789abcdef0123456789abcdef01234567";
const OTHER_PROGRAM: &str = "fedcba9876543210fedcba9876543210fedcba98";

impl Scene {
    /// Puts a function into the node's store.
    fn store(&self, interface: &str, function: &str) {
        self.store_as(interface, function, interface, function);
    }

    /// The same, in the place of another.
    fn store_as(&self, place: &str, name: &str, interface: &str, function: &str) {
        let gbs =
            writer::gbs(interface.parse().unwrap(), function.parse().unwrap(), &payload(interface, function));
        self.store_file(place, &format!("{name}.gbs"), &gbs);
    }

    fn store_program(&self, interface: &str, hash: &str) {
        let gbs =
            writer::gbs(interface.parse().unwrap(), OPENCL.parse().unwrap(), &payload(interface, OPENCL));
        self.store_file(interface, &format!("{hash}.aocx"), &writer::aocx(hash, &gbs));
    }

    fn store_file(&self, place: &str, name: &str, bytes: &[u8]) {
        let folder = self.at("srv/intel.com/fpga").join(place);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    }

    /// A bundle of a container with these variables and ports.
    fn bundle(&self, variables: &[(&str, &str)], ports: &[&str]) -> String {
        let environment: Vec<String> =
            variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let devices: Vec<Value> =
            ports.iter().map(|port| self.device_entry(port, &format!("/dev/{port}"))).collect();
        self.bundle_of(&json!({"process": {"env": environment}, "linux": {"devices": devices}}))
    }

    fn device_entry(&self, node: &str, path: &str) -> Value {
        let DeviceNumber { major, minor, .. } =
            self.node.host().device_number(format!("/dev/{node}")).unwrap();
        json!({"path": path, "type": "c", "major": major, "minor": minor, "fileMode": 438, "uid": 0, "gid": 0})
    }

    fn bundle_of(&self, config: &Value) -> String {
        self.file("config.json", config.to_string().as_bytes());
        self.folder.path().to_str().unwrap().to_owned()
    }

    fn start_hook(&self, faults: &[&str], bundle: &str) -> Child {
        let state = json!({
            "ociVersion": "1.2.0", "id": "c", "status": "creating", "pid": 1, "bundle": bundle,
            "annotations": {"com.intel.fpga.mode": "fpga.intel.com/region"},
        });
        self.start_hook_with(faults, &state.to_string())
    }

    fn start_hook_with(&self, faults: &[&str], state: &str) -> Child {
        let root = self.node.root().to_str().unwrap();
        let program = [env!("CARGO_BIN_EXE_fpga-probe"), "hook", "-prefix", root];
        let mut child = self.emulator(faults, &program).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(state.as_bytes()).unwrap();
        child
    }

    fn hook(&self, bundle: &str) -> Said {
        ended(self.start_hook(&[], bundle))
    }

    /// How often something was programmed since this was asked.
    fn programmed(&self) -> usize {
        self.told().iter().filter(|line| line.contains(" pr: 0")).count()
    }
}

/// What the emulator takes for a bitstream.
fn payload(interface: &str, function: &str) -> Vec<u8> {
    let mut bytes = format!("SIMULATED BITSTREAM {interface} {function}\n").into_bytes();
    bytes.resize(4097, 0xa5);
    bytes
}

fn one(card: Card, function: &str) -> [(&str, &str); 2] {
    [("FPGA_REGION_1", card.interface), ("FPGA_AFU_1", function)]
}

#[test]
fn a_function_is_programmed_once() {
    for card in CARDS {
        let scene = Scene::on(card);
        scene.store(card.interface, FIRST);
        let bundle = scene.bundle(&one(card, FIRST), &[card.port]);
        assert_eq!(scene.hook(&bundle).good(), format!("{}: {FIRST} (programmed)", card.port));
        assert_eq!(scene.function(card.port), FIRST);
        assert_eq!(scene.programmed(), 1);
        // The file is not needed any more.
        fs::remove_dir_all(scene.at("srv")).unwrap();
        assert_eq!(scene.hook(&bundle).good(), format!("{}: {FIRST} (has it already)", card.port));
        assert_eq!(scene.programmed(), 0);
    }
}

#[test]
fn two_of_a_function_are_two_ports_and_one_that_has_it_is_left_alone() {
    let scene = Scene::on(OPAE);
    scene.store(ARRIA, FIRST);
    let both = ["intel-fpga-port.1", "intel-fpga-port.0"];
    let variables =
        [("FPGA_REGION_1", ARRIA), ("FPGA_AFU_1", FIRST), ("FPGA_REGION_2", ARRIA), ("FPGA_AFU_2", FIRST)];
    let bundle = scene.bundle(&variables, &both);
    assert_eq!(
        scene.hook(&bundle).good(),
        format!("intel-fpga-port.0: {FIRST} (has it already)\nintel-fpga-port.1: {FIRST} (programmed)")
    );
    assert_eq!(both.map(|port| scene.function(port)), [FIRST, FIRST]);
    assert_eq!(scene.programmed(), 1);

    let bundle = scene.bundle(&variables, &both[..1]);
    assert_eq!(
        scene.hook(&bundle).bad(),
        format!(
            "fpga-hook: FPGA_REGION_2 needs a card of its own with the interface {ARRIA}; the container has \
             intel-fpga-port.1 ({ARRIA})"
        )
    );
}

#[test]
fn functions_go_to_ports_by_number_whatever_the_nodes_are_called() {
    let scene = Scene::on(OPAE);
    scene.store(ARRIA, FIRST);
    let devices = [
        json!({"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}),
        json!({"path": "/dev/sda", "type": "b", "major": 242, "minor": 0}),
        scene.device_entry("intel-fpga-port.1", "/dev/intel-fpga-port.0"),
        scene.device_entry("intel-fpga-port.1", "/dev/twice"),
    ];
    let environment = [format!("FPGA_REGION_1={ARRIA}"), format!("FPGA_AFU_1={FIRST}")];
    let bundle = scene.bundle_of(&json!({"process": {"env": environment}, "linux": {"devices": devices}}));
    assert_eq!(scene.hook(&bundle).good(), format!("intel-fpga-port.1: {FIRST} (programmed)"));
}

#[test]
fn a_bitstream_that_is_missing_or_in_the_wrong_place_stops_the_container() {
    let scene = Scene::on(DFL);
    let bundle = scene.bundle(&one(DFL, FIRST), &[DFL.port]);
    let store = "/srv/intel.com/fpga";
    scene.store(STRATIX, SECOND);
    assert_eq!(
        scene.hook(&bundle).bad(),
        format!(
            "fpga-hook: FPGA_AFU_1: no bitstream {FIRST}.gbs or {FIRST}.aocx in {store}/{STRATIX}, which has {SECOND}.gbs"
        )
    );
    scene.store_as(STRATIX, FIRST, STRATIX, OPENCL);
    assert_eq!(
        scene.hook(&bundle).bad(),
        format!(
            "fpga-hook: FPGA_AFU_1: {store}/{STRATIX}/{FIRST}.gbs is in the wrong place: its function id is {OPENCL}; install it anew"
        )
    );
    scene.store_file(STRATIX, &format!("{FIRST}.gbs"), b"\n");
    assert!(scene.hook(&bundle).bad().contains("is no good bitstream"));
    assert_eq!(scene.programmed(), 0);
    assert_eq!(scene.function(DFL.port), SECOND);
}

#[test]
fn what_the_driver_refuses_stops_the_container() {
    for card in CARDS {
        let scene = Scene::on(card);
        scene.store(card.interface, FIRST);
        let bundle = scene.bundle(&one(card, FIRST), &[card.port]);
        let open =
            fs::OpenOptions::new().read(true).write(true).open(scene.at("dev").join(card.port)).unwrap();
        let error = scene.hook(&bundle).bad();
        assert!(error.starts_with(&format!("fpga-hook: FPGA_AFU_1: {} is in use", card.port)), "{error}");
        drop(open);
        for (fault, expected) in
            [("status=0x4", "was not programmed"), (&format!("afu={OPENCL}"), "holds another function")]
        {
            let said = ended(scene.start_hook(&[fault], &bundle));
            assert!(said.err.contains(expected) && said.code == 1, "{said:?}");
        }
        assert_eq!(scene.hook(&bundle).good(), format!("{}: {FIRST} (programmed)", card.port));
    }
}

#[test]
fn containers_that_start_together_wait_for_each_other() {
    for card in CARDS {
        let scene = Scene::on(card);
        scene.store(card.interface, FIRST);
        let bundle = scene.bundle(&one(card, FIRST), &[card.port]);
        let first = Programming::of(&scene, |fault| scene.start_hook(&[fault], &bundle));
        let second = scene.start_hook(&[], &bundle);
        wait_for_second(&scene, card);
        assert_eq!(first.finish(), format!("{}: {FIRST} (programmed)", card.port));
        assert_eq!(ended(second).good(), format!("{}: {FIRST} (has it already)", card.port));
        assert_eq!(scene.programmed(), 1);
    }
}

#[test]
fn opencl_programs_are_told_apart_though_their_ports_report_one_id() {
    let scene = Scene::on(OPAE);
    for hash in [PROGRAM, OTHER_PROGRAM] {
        scene.store_program(ARRIA, hash);
    }
    let hook = |hash: &str| scene.hook(&scene.bundle(&one(OPAE, hash), &[OPAE.port])).good();
    let said = |hash: &str, what: &str| format!("{}: {hash} ({what})", OPAE.port);
    assert_eq!(hook(PROGRAM), said(PROGRAM, "programmed"));
    assert_eq!(scene.function(OPAE.port), OPENCL);
    assert_eq!(hook(PROGRAM), said(PROGRAM, "has it already"));
    assert_eq!(hook(OTHER_PROGRAM), said(OTHER_PROGRAM, "programmed"));
    assert_eq!(hook(PROGRAM), said(PROGRAM, "programmed"));
    // What fails is not remembered.
    let bundle = scene.bundle(&one(OPAE, OTHER_PROGRAM), &[OPAE.port]);
    assert_eq!(ended(scene.start_hook(&["status=0x4"], &bundle)).code, 1);
    assert_eq!(hook(PROGRAM), said(PROGRAM, "programmed"));
}

#[test]
fn a_state_or_bundle_that_cannot_be_understood_stops_the_container() {
    let scene = Scene::on(DFL);
    let answer = |state: &str| ended(scene.start_hook_with(&[], state)).bad();
    let understand =
        "fpga-hook: cannot understand the container's state on standard input, an OCI state in JSON: ";
    for state in ["bla", "", "1", "{\"bundle\": 1}", "{\"bundle\": \"/x\"} more"] {
        let error = answer(state);
        assert!(error.starts_with(understand), "{error}");
    }
    let no_path =
        "fpga-hook: the container's state on standard input has the bundle \"\", not an absolute path";
    assert_eq!(answer("{}"), no_path);
    assert!(answer("{\"bundle\": \"x\"}").contains("\"x\", not an absolute path"));
    let missing = answer("{\"bundle\": \"/does/not/exist\"}");
    assert!(
        missing.starts_with("fpga-hook: /does/not/exist/config.json: cannot read it: No such file"),
        "{missing}"
    );

    let port = scene.device_entry(DFL.port, "/dev/x");
    let environment = json!([format!("FPGA_REGION_1={STRATIX}"), format!("FPGA_AFU_1={FIRST}")]);
    for (config, expected) in [
        (json!({}), "config.json: process.env is empty"),
        (json!({"process": {}}), "config.json: process.env is empty"),
        (json!({"process": {"env": environment}}), "config.json: linux.devices is empty"),
        (
            json!({"process": {"env": environment}, "linux": {"devices": []}}),
            "config.json: linux.devices is empty",
        ),
        (json!({"process": {"env": 1}}), "config.json: it is no container's configuration in JSON: "),
        (
            json!({"process": {"env": ["A=b"]}, "linux": {"devices": [port]}}),
            "no variable FPGA_REGION_<number>",
        ),
        (
            json!({"process": {"env": environment}, "linux": {"devices": [{"path": "/dev/null", "type": "c", "major": 1, "minor": 3}]}}),
            "needs a card of its own with the interface bfac4d851ee856fe8c95865ce1bbaa2d; the container has no FPGA port",
        ),
    ] {
        let error = scene.hook(&scene.bundle_of(&config)).bad();
        assert!(error.contains(expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    assert!(scene.told().is_empty());

    // Whatever they hold, a message is one line that fits into an event.
    let long = scene.hook(&scene.bundle_of(&json!({"process": {"env": "x".repeat(5000)}}))).bad();
    assert!(long.len() < 700 && long.contains("invalid type: string"), "{long}");
    let broken = answer("{\"bundle\": \"/does\\nnot\\rexist\"}");
    assert!(
        broken.starts_with("fpga-hook: /does not exist/config.json: cannot read it: No such"),
        "{broken}"
    );
}

#[test]
fn variables_that_ask_for_nothing_there_can_be_stop_the_container() {
    let scene = Scene::on(DFL);
    let port = scene.device_entry(DFL.port, "/dev/x");
    let (region, afu) = (format!("FPGA_REGION_1={STRATIX}"), format!("FPGA_AFU_1={FIRST}"));
    for (environment, expected) in [
        (["FPGA_REGION_1", &afu], "the variable \"FPGA_REGION_1\" has no value"),
        ([&region, "FPGA_AFU_1"], "the variable \"FPGA_AFU_1\" has no value"),
        (
            [&region, "FPGA_AFU_1=../../../etc/x"],
            "FPGA_AFU_1: \"../../../etc/x\" is no name of a bitstream: expected 1 to 64 letters and digits",
        ),
        (["FPGA_REGION_1=..", &afu], "FPGA_REGION_1: \"..\" is no id: expected 32 hexadecimal digits"),
    ] {
        let config = json!({"process": {"env": environment}, "linux": {"devices": [port]}});
        assert_eq!(scene.hook(&scene.bundle_of(&config)).bad(), format!("fpga-hook: {expected}"));
    }
    assert!(scene.told().is_empty());
}
