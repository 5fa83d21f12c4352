//! The hook, the tool and their installer as the one binary has them.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use simulator::{Profile, SimulatedNode};

const BINARY: &str = env!("CARGO_BIN_EXE_intel-device-plugins");
const VERSION: &str = concat!("intel-device-plugins ", env!("CARGO_PKG_VERSION"), "\n");

/// What the binary says by a name, as its last line.
fn run(name: &str, args: &[&str]) -> (Option<i32>, String) {
    said(&Command::new(BINARY).arg0(name).args(args).stdin(Stdio::null()).output().unwrap())
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    (output.status.code(), text.lines().last().unwrap_or_default().to_owned())
}

/// What `install fpga` says of this folder.
fn install(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    run("intel-device-plugins", &[&["install", "fpga", "-dir", folder.to_str().unwrap()], args].concat())
}

/// A program in the hook's place, which says that it has this version.
fn put(folder: &Path, version: &str) -> PathBuf {
    let path = folder.join("intel-fpga-crihook");
    fs::create_dir_all(folder).unwrap();
    // Not by this process: one that another thread is just starting would have it open for writing, and then it cannot run.
    let script = "printf '#!/bin/sh\\necho intel-device-plugins %s\\n' \"$1\" >\"$0\" && chmod 755 \"$0\"";
    let status = Command::new("sh").args(["-c", script]).arg(&path).arg(version).status().unwrap();
    assert!(status.success());
    path
}

#[test]
fn what_is_installed_is_the_hook_and_the_tool() {
    let folder = tempfile::tempdir().unwrap();
    let programs = folder.path().join("opt/intel/fpga-sw");
    let hooks = folder.path().join("hooks.d");
    let (code, text) = install(&programs, &["-hooks-dir", hooks.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{text}");
    let expected = format!(
        "intel-fpga-crihook and fpga_tool {} are in {}",
        env!("CARGO_PKG_VERSION"),
        programs.display()
    );
    assert!(text.ends_with(&expected), "{text}");
    assert!(hooks.join("intel-fpga-crihook.json").is_file());
    for name in ["intel-fpga-crihook", "fpga_tool"] {
        let output = Command::new(programs.join(name)).arg("-version").output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), VERSION, "{name}");
        let output = Command::new(programs.join(name)).arg("-h").output().unwrap();
        assert!(String::from_utf8(output.stderr).unwrap().starts_with(&format!("Usage: {name} [flags]")));
    }
    // Once more, as each start of the init container does.
    assert_eq!(install(&programs, &[]).0, Some(0));
}

#[test]
fn the_init_containers_name_installs_too() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = run("intel-fpga-initcontainer", &["-dir", folder.path().to_str().unwrap()]);
    assert_eq!(code, Some(0), "{text}");
    assert!(folder.path().join("intel-fpga-crihook").is_file());
}

#[test]
fn a_newer_one_stays_unless_forced() {
    let folder = tempfile::tempdir().unwrap();
    let program = put(folder.path(), "99.0.0");
    let (code, text) = install(folder.path(), &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(" is left alone: it is 99.0.0, newer than ") && text.contains("-force"), "{text}");
    assert!(fs::read_to_string(&program).unwrap().ends_with("99.0.0\n"));
    assert_eq!(install(folder.path(), &["-force"]).0, Some(0));
    assert!(fs::read(&program).unwrap() == fs::read(BINARY).unwrap());
}

#[test]
fn a_dry_run_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (programs, hooks) = (folder.path().join("programs"), folder.path().join("hooks.d"));
    let dry = ["-dry-run", "-hooks-dir", hooks.to_str().unwrap()];
    let (code, text) = install(&programs, &dry);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(" would be put in "), "{text}");
    assert!(!programs.exists() && !hooks.exists());
    for (version, expected) in [("0.0.1", " would be put in "), ("99.0.0", " is left alone: it is 99.0.0")] {
        let program = put(&programs, version);
        assert!(install(&programs, &dry).1.contains(expected), "{version}");
        assert!(fs::read_to_string(program).unwrap().contains(version));
        assert_eq!(fs::read_dir(&programs).unwrap().count(), 1);
        assert!(!hooks.exists());
    }
}

#[test]
fn what_cannot_be_installed_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let (code, text) = install(&file.join("programs"), &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&format!("cannot make {}/programs: Not a directory", file.display())), "{text}");
    let (code, text) = install(Path::new("programs"), &[]);
    assert_eq!(code, Some(255), "{text}");
    assert!(text.contains("-dir \"programs\" is no path from the root"), "{text}");
    let (code, text) = install(folder.path(), &["more", "words"]);
    assert_eq!(code, Some(255), "{text}");
    assert!(text.contains("[\"more\", \"words\"] are no flags"), "{text}");
    assert_eq!(install(folder.path(), &["-no-such-flag"]).0, Some(2));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// The containers of a demo's pod or job.
fn demo(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo").join(name);
    let object: Value = serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let pod = object.pointer("/spec/template/spec").unwrap_or(&object["spec"]);
    pod["containers"].as_array().unwrap().clone()
}

#[test]
fn demos_fail_if_their_port_has_another_function() {
    const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
    const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
    let folder = tempfile::tempdir().unwrap();
    let profile = Profile::builtin("xeon-full").unwrap();
    let mut node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), &profile).unwrap();
    // Its container has the port alone.
    node.delete("/dev/intel-fpga-fme.0").unwrap();
    let prefix = node.root().to_str().unwrap().to_owned();
    for (name, function, other) in [
        ("test-fpga-preprogrammed.yaml", NLB0, NLB3),
        ("intelfpga-job.yaml", NLB0, NLB3),
        ("test-fpga-orchestrated.yaml", NLB3, NLB0),
    ] {
        for container in demo(name) {
            let args = container["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap());
            let args: Vec<&str> = args.chain(["-prefix", &prefix]).collect();
            for (found, code) in [(function, 0), (other, 1)] {
                node.set_attribute("/sys/bus/platform/devices/intel-fpga-port.0/afu_id", found).unwrap();
                let (ended, text) = run("intel-device-plugins", &args);
                assert_eq!(ended, Some(code), "{name}: {text}");
            }
        }
    }
}
