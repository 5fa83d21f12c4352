//! The sidecar as a process of its own: a file of its own, for the signal goes to the whole process.

use std::ffi::OsString;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, ExitCode};

fn main_with(flags: &[&str]) -> ExitCode {
    gpu_xelink::main("xelink-sidecar", flags.iter().map(OsString::from).collect())
}

#[test]
fn it_ends_well_on_sigterm_and_with_the_usual_codes_for_bad_flags() {
    assert_eq!(main_with(&["-h"]), ExitCode::SUCCESS);
    assert_eq!(main_with(&["-no-such-flag"]), ExitCode::from(2));
    assert_eq!(main_with(&["-interval=-1"]), ExitCode::from(2));
    assert_eq!(main_with(&["-interval=0"]), ExitCode::from(255));
    assert_eq!(main_with(&["-xpum-port=65536"]), ExitCode::from(255));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("labels.txt");
    fs::write(&file, "gpu.intel.com/xe-links=0.0-1.0\n").unwrap();
    // It says nothing: the signal comes while the sidecar waits for its answer.
    let exporter = TcpListener::bind("127.0.0.1:0").unwrap();
    let flags = [
        format!("-xpum-port={}", exporter.local_addr().unwrap().port()),
        format!("-dst-file-path={}", file.display()),
        "-startup-delay=0".to_owned(),
        // It would hold for this test, too.
        "-confine=off".to_owned(),
    ];
    let address = exporter.local_addr().unwrap();
    let sidecar = std::thread::spawn(move || {
        let code = main_with(&flags.each_ref().map(String::as_str));
        // When it ends too early nobody waits for its question for ever.
        let _ = TcpStream::connect(address);
        code
    });
    let asked = exporter.accept().unwrap();
    let kill = Command::new("sh").args(["-c", &format!("kill -TERM {}", std::process::id())]).status();
    assert!(kill.unwrap().success());
    assert_eq!(sidecar.join().unwrap(), ExitCode::SUCCESS);
    assert!(!file.exists());
    drop(asked);
}
