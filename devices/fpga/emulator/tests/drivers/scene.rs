//! A simulated node, and programs that run on it under the emulator.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use simulator::{Profile, SimulatedNode};
use tempfile::TempDir;

pub(crate) const STRATIX: &str = "bfac4d851ee856fe8c95865ce1bbaa2d";
pub(crate) const ARRIA: &str = "69528db6eb31577a8c3668f9faa081f6";
pub(crate) const FIRST: &str = "d8424dc4a4a3c413f89e433683f9040b";
pub(crate) const SECOND: &str = "f7df405cbd7acf7222f144b0b93acd18";

pub(crate) struct Scene {
    pub(crate) folder: TempDir,
    pub(crate) node: SimulatedNode,
}

/// A driver's card, whose port has not the function [`FIRST`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Card {
    pub(crate) profile: &'static str,
    pub(crate) port: &'static str,
    pub(crate) fme: &'static str,
    pub(crate) interface: &'static str,
}

pub(crate) const DFL: Card =
    Card { profile: "fpga-stratix10", port: "dfl-port.0", fme: "dfl-fme.0", interface: STRATIX };
pub(crate) const OPAE: Card =
    Card { profile: "fpga-arria10", port: "intel-fpga-port.1", fme: "intel-fpga-fme.1", interface: ARRIA };
pub(crate) const CARDS: [Card; 2] = [DFL, OPAE];

/// What a program has said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().trim().to_owned();
        Self { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// What it says on success.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// The error.
    #[track_caller]
    pub(crate) fn bad(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (1, ""), "{self:?}");
        self.err
    }
}

impl Scene {
    pub(crate) fn of(profile: &Profile) -> Self {
        let folder = TempDir::new().unwrap();
        let node = SimulatedNode::create_with_stand_ins(folder.path().join("root"), profile).unwrap();
        Self { folder, node }
    }

    pub(crate) fn on(card: Card) -> Self {
        Self::of(&Profile::builtin(card.profile).unwrap())
    }

    pub(crate) fn text(lines: &str) -> Self {
        Self::of(&Profile::parse("test", lines).unwrap())
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.node.root().join(path.trim_start_matches('/'))
    }

    /// Where a device of the platform really is.
    pub(crate) fn device(&self, name: &str) -> PathBuf {
        self.at("sys/bus/platform/devices").join(name).canonicalize().unwrap()
    }

    /// The emulator with a program, not started yet.
    pub(crate) fn emulator(&self, faults: &[&str], program: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fpga-emulator"));
        command.arg("-root").arg(self.node.root()).arg("-log").arg(self.log_file());
        for fault in faults {
            command.args(["-fault", fault]);
        }
        command.arg("--").args(program).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The emulator with a question to the drivers.
    pub(crate) fn asking(&self, faults: &[&str], question: &[&str]) -> Command {
        let root = self.node.root().to_str().unwrap();
        self.emulator(faults, &[&[env!("CARGO_BIN_EXE_fpga-probe"), root], question].concat())
    }

    pub(crate) fn ask(&self, question: &[&str]) -> Said {
        self.ask_with(&[], question)
    }

    pub(crate) fn ask_with(&self, faults: &[&str], question: &[&str]) -> Said {
        Said::of(&self.asking(faults, question).output().unwrap())
    }

    /// A file with a bitstream as the emulator takes it; 4 KiB and a byte long.
    pub(crate) fn bitstream(&self, interface: &str, afu: &str) -> String {
        let mut bytes = format!("SIMULATED BITSTREAM {interface} {afu}\n").into_bytes();
        bytes.resize(4097, 0xa5);
        self.file(&format!("{interface}-{afu}"), &bytes)
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Programs a card's port with the function [`FIRST`].
    pub(crate) fn program(&self, card: Card, faults: &[&str]) -> Said {
        let file = self.bitstream(card.interface, FIRST);
        self.ask_with(faults, &["reconfigure", card.port, card.interface, FIRST, &file, "0"])
    }

    /// What the log has, and nothing of it any more.
    pub(crate) fn events(&self) -> Vec<Value> {
        let events = self.logged();
        fs::write(self.log_file(), "").unwrap();
        events
    }

    /// The log in short: node, request, result. Nothing is in it any more.
    pub(crate) fn told(&self) -> Vec<String> {
        self.events().iter().map(in_short).collect()
    }

    /// The same, and all stays in it.
    pub(crate) fn log(&self) -> Vec<String> {
        self.logged().iter().map(in_short).collect()
    }

    fn logged(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.log_file()).unwrap_or_default();
        // The last line may be on its way.
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub(crate) fn function(&self, port: &str) -> String {
        fs::read_to_string(self.device(port).join("afu_id")).unwrap().trim().to_owned()
    }
}

fn in_short(event: &Value) -> String {
    let word = |value: &Value| value.to_string().replace('"', "");
    let exclusive = if event["argument"]["exclusive"] == true { " exclusively" } else { "" };
    format!("{} {}{exclusive}: {}", word(&event["node"]), word(&event["request"]), word(&event["result"]))
}

/// Waits for a program that was started.
pub(crate) fn ended(child: Child) -> Said {
    Said::of(&child.wait_with_output().unwrap())
}
