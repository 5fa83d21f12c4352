//! The hook that programs FPGAs, when there is nothing to program: what each start of such a container waits for.

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use simulator::{Profile, SimulatedNode};

use crate::figures::{Bar, Figure, Samples, table};

const INTERFACE: &str = "bfac4d851ee856fe8c95865ce1bbaa2d";
/// What the simulated card is programmed with.
const FUNCTION: &str = "f7df405cbd7acf7222f144b0b93acd18";

/// Prints how long the hook takes, as a runtime sees it: from its start to its end.
pub(crate) fn run(binary: &Path, folder: &Path, quick: bool) -> Result<(), Box<dyn Error>> {
    let profile = Profile::builtin("fpga-stratix10")?;
    // Its nodes are plain files, as there is no driver.
    let node = SimulatedNode::create_with_stand_ins(folder.join("node"), &profile)?;
    let port = node.host().device_number("/dev/dfl-port.0")?;
    let config = format!(
        r#"{{"process": {{"env": ["FPGA_REGION_1={INTERFACE}", "FPGA_AFU_1={FUNCTION}"]}},
            "linux": {{"devices": [{{"path": "/dev/dfl-port.0", "type": "c", "major": {}, "minor": {}}}]}}}}"#,
        port.major, port.minor
    );
    fs::write(folder.join("config.json"), config)?;
    let state = folder.join("state.json");
    fs::write(&state, format!(r#"{{"bundle": "{}"}}"#, folder.display()))?;
    let mut times = Samples::default();
    for _ in 0..if quick { 10 } else { 100 } {
        let mut command = Command::new(binary);
        command
            .args(["fpga-hook", "-prefix"])
            .arg(node.root())
            .stdin(File::open(&state)?)
            .stdout(Stdio::null());
        let since = Instant::now();
        let status = command.status()?;
        times.add(since.elapsed().as_secs_f64() * 1000.0);
        if !status.success() {
            return Err(format!("the hook ended with {status}").into());
        }
    }
    let figure = |what, bar, percent| Figure {
        what,
        unit: "ms",
        bar,
        ours: times.percentile(percent),
        reference: None,
    };
    let figures = [
        figure("hook with nothing to program, median", Some(Bar::AtMost(5.0)), 50.0),
        figure("hook with nothing to program, p99", None, 99.0),
    ];
    println!("{}", table(&figures));
    Ok(())
}
