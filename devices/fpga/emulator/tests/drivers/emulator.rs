//! The emulator itself.

use std::io::Write as _;
use std::process::Stdio;

use simulator::{Profile, SimulatedNode};

use crate::scene::{CARDS, DFL, FIRST, Said, Scene};

#[test]
fn streams_and_exit_status_are_the_programs() {
    let scene = Scene::on(DFL);
    let script = "read line; echo \"out $line\"; echo \"err $line\" >&2; exit 7";
    let mut child = scene.emulator(&[], &["sh", "-c", script]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"text\n").unwrap();
    let said = Said::of(&child.wait_with_output().unwrap());
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (7, "out text", "err text"));
    let said = Said::of(&scene.emulator(&[], &["sh", "-c", "kill -TERM $$"]).output().unwrap());
    assert_eq!(said.code, 128 + 15);
}

#[test]
fn signals_reach_the_program() {
    let scene = Scene::on(DFL);
    let script = "trap 'echo caught; exit 3' USR1; kill -USR1 $$; echo not reached";
    let said = Said::of(&scene.emulator(&[], &["sh", "-c", script]).output().unwrap());
    assert_eq!((said.code, said.out.as_str()), (3, "caught"));
}

#[test]
fn what_the_program_starts_is_followed() {
    for card in CARDS {
        let scene = Scene::on(card);
        let (probe, root) = (env!("CARGO_BIN_EXE_fpga-probe"), scene.node.root().to_str().unwrap());
        let one = format!("{probe} {root} reset {}", card.port);
        let script = format!("{one} & (sh -c '{one}'; exit 0); wait");
        let said = Said::of(&scene.emulator(&[], &["sh", "-c", &script]).output().unwrap());
        assert_eq!(said.good(), "reset\nreset");
        let resets = scene.told().iter().filter(|line| line.ends_with("reset: 0")).count();
        assert_eq!(resets, 2);
    }
}

#[test]
fn without_the_emulator_there_is_no_driver() {
    let scene = Scene::on(DFL);
    let probe = std::process::Command::new(env!("CARGO_BIN_EXE_fpga-probe"))
        .arg(scene.node.root())
        .args(["reset", "dfl-port.0"])
        .output()
        .unwrap();
    assert!(Said::of(&probe).bad().starts_with("cannot reset dfl-port.0: Inappropriate ioctl"));
}

/// Who may make special files gets them from the simulator. Containers are given them, so they stay.
#[test]
fn special_files_can_be_opened_and_stay() {
    let mut scene = Scene::on(DFL);
    let root = scene.folder.path().join("special");
    scene.node = SimulatedNode::create(root, &Profile::builtin(DFL.profile).unwrap()).unwrap();
    let kind = || std::fs::symlink_metadata(scene.at("dev/dfl-fme.0")).unwrap().file_type();
    let before = kind();
    scene.program(DFL, &[]).good();
    assert_eq!(scene.function(DFL.port), FIRST);
    assert_eq!(kind(), before);
}

#[test]
fn what_is_wrong_with_the_command_line_is_told() {
    let scene = Scene::on(DFL);
    for fault in ["", "pr", "pr=", "pr=16", "pr=EWHAT", "program=EIO", "status=", "status=0xg", "status=-1"] {
        let said = Said::of(&scene.emulator(&[fault], &["true"]).output().unwrap());
        assert_eq!(said.code, 125, "{fault}");
        assert!(said.err.contains(&format!("-fault {fault}: not REQUEST=ERROR")), "{}", said.err);
    }
    let said = Said::of(&scene.emulator(&[], &["/no/such/program"]).output().unwrap());
    assert_eq!((said.code, said.out.as_str()), (125, ""));
    assert!(said.err.starts_with("fpga-emulator: cannot run /no/such/program: No such file"), "{}", said.err);
    let emulator = env!("CARGO_BIN_EXE_fpga-emulator");
    let log = scene.file("log2", b"");
    for args in
        [vec![], vec!["--", "true"], vec!["-root", "/tmp", "--", "true"], vec!["-other", "x"], vec!["-root"]]
    {
        let output = std::process::Command::new(emulator).args(&args).output().unwrap();
        assert!(Said::of(&output).err.contains("usage: fpga-emulator"), "{args:?}");
    }
    let output =
        std::process::Command::new(emulator).args(["-root", "/", "-log", &log, "--", "true"]).output();
    assert!(Said::of(&output.unwrap()).err.contains("that is the real node"));
}
