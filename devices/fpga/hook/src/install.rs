//! `install fpga`: puts the hook and the tool on a node, which is what the init container does.

use std::ffi::OsString;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use cli::install::{self, InstallError};
use cli::{FlagSet, LogOptions, logs};
use device_plugin::error_chain;
use rustix::event::{PollFd, PollFlags, poll};
use serde_json::json;

/// Where the plugin's CDI files say that the hook is.
const FOLDER: &str = "/opt/intel/fpga-sw";
const HOOK: &str = "intel-fpga-crihook";
/// The same program, which goes by the name that it is run by.
const TOOL: &str = "fpga_tool";

/// How long the installed program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(5);
/// What says its version says no more than this, in bytes.
const MAX_VERSION: usize = 100;

/// What is to be put where.
#[derive(Debug, Clone)]
pub struct Install {
    /// The program that is hook and tool.
    pub program: PathBuf,
    /// Its version, three numbers with dots between.
    pub version: String,
    /// The folder for the program, from the root.
    pub folder: PathBuf,
    /// A folder of OCI hooks that CRI-O and Podman read, for runtimes without CDI.
    pub hooks: Option<PathBuf>,
    /// Replace a newer one too.
    pub force: bool,
    /// An installed program that does not say its version within this time is somebody else's.
    pub patience: Duration,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installed {
    /// All is there now.
    Replaced,
    /// A newer one is there, of this version, and was left alone.
    Newer(String),
}

/// Runs the command: exit code 0 when hook and tool are there, be it that newer ones are; 1 and a line of the log that says
/// why when they could not be put there.
pub fn main(program: &str, args: Vec<OsString>) -> ExitCode {
    let (mut folder, mut hooks, mut force, mut dry_run) = (FOLDER.to_owned(), String::new(), false, false);
    let mut log_options = LogOptions::default();
    let mut flags = FlagSet::new(
        program,
        "Puts the hook that programs FPGAs before a container starts, and fpga_tool, on the node. Needs to write to the folder on the \
         node: as root, or in a container that has it mounted at the same path.",
    );
    flags.string("dir", &mut folder, "folder for the programs; the plugin's CDI files name the default");
    flags.string(
        "hooks-dir",
        &mut hooks,
        "for runtimes without CDI: folder of OCI hooks, such as /etc/containers/oci/hooks.d, that gets a file which \
         attaches the hook to containers with an FPGA region; none when empty",
    );
    flags.bool("force", &mut force, "replace newer programs too");
    flags.bool("dry-run", &mut dry_run, "only say what would be done");
    log_options.add_flags(&mut flags);
    match flags.parse(args) {
        Ok(words) if words.is_empty() => {}
        Ok(words) => return cli::fatal(format!("{words:?} are no flags")),
        Err(stop) => return stop.report(),
    }
    if let Err(error) = logs::start(&log_options) {
        return cli::fatal(error_chain(&error));
    }
    if !Path::new(&folder).is_absolute() {
        return cli::fatal(format!(
            "-dir {folder:?} is no path from the root, which runtimes need to find the hook"
        ));
    }
    let install = Install {
        program: install::THIS_PROGRAM.into(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        folder: folder.into(),
        hooks: (!hooks.is_empty()).then(|| hooks.into()),
        force,
        patience: PATIENCE,
    };
    let result = if dry_run {
        Ok(install.newer().map_or(Installed::Replaced, Installed::Newer))
    } else {
        install.run()
    };
    let folder = install.folder.display();
    match result {
        Ok(Installed::Newer(version)) => {
            tracing::warn!(
                "{HOOK} in {folder} is left alone: it is {version}, newer than {}; -force replaces it",
                install.version
            );
        }
        Ok(Installed::Replaced) if dry_run => {
            tracing::info!("{HOOK} and {TOOL} {} would be put in {folder}", install.version);
        }
        Ok(Installed::Replaced) => tracing::info!("{HOOK} and {TOOL} {} are in {folder}", install.version),
        Err(error) => {
            tracing::error!("{}", error_chain(&error));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

impl Install {
    /// Puts everything in its place, unless something newer is there.
    pub fn run(&self) -> Result<Installed, InstallError> {
        if let Some(version) = self.newer() {
            return Ok(Installed::Newer(version));
        }
        install::folder(&self.folder)?;
        let hook = self.folder.join(HOOK);
        install::program(&self.program, &hook)?;
        install::replace(&self.folder.join(TOOL), |unfinished| symlink(HOOK, unfinished))?;
        if let Some(hooks) = &self.hooks {
            install::folder(hooks)?;
            install::replace(&hooks.join(format!("{HOOK}.json")), |unfinished| {
                let mut to = install::create(unfinished, 0o644)?;
                serde_json::to_writer_pretty(&mut to, &hook_file(&hook)?)?;
                to.write_all(b"\n")?;
                to.sync_all()
            })?;
        }
        Ok(Installed::Replaced)
    }

    /// The version of the program that is there, if it is a newer one that must stay.
    fn newer(&self) -> Option<String> {
        let installed = version_of(&self.folder.join(HOOK), self.patience)?;
        let is_newer = numbers(&installed)? > numbers(&self.version)?;
        (is_newer && !self.force).then_some(installed)
    }
}

/// The format is of <https://github.com/containers/common/blob/main/pkg/hooks/docs/oci-hooks.5.md>.
fn hook_file(hook: &Path) -> serde_json::Result<serde_json::Value> {
    Ok(json!({
        "version": "1.0.0",
        "hook": {"path": serde_json::to_value(hook)?},
        "when": {"annotations": {r"^com\.intel\.fpga\.mode$": r"^fpga\.intel\.com/region$"}},
        "stages": ["createRuntime"],
    }))
}

/// What a program says to `-version`; `None` for one that is not there, or not ours. A link is no program: it is what is
/// replaced, not what it leads to.
fn version_of(program: &Path, patience: Duration) -> Option<String> {
    if !fs::symlink_metadata(program).ok()?.is_file() {
        return None;
    }
    let command = Command::new(program)
        .arg("-version")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut process = command.ok()?;
    let said = process.stdout.take().and_then(|output| read_within(patience, output));
    // It has ended, as a rule.
    let _ = process.kill();
    let _ = process.wait();
    said?.trim_end().strip_prefix("intel-device-plugins ").map(str::to_owned)
}

/// What comes to its end in time, or the beginning of more. What a program has started can keep its output open after its
/// own end.
fn read_within(patience: Duration, mut output: ChildStdout) -> Option<String> {
    let until = Instant::now().checked_add(patience)?;
    let mut said = Vec::new();
    while said.len() < MAX_VERSION {
        let left = until.saturating_duration_since(Instant::now()).try_into().ok()?;
        if poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&left)).ok()? == 0 {
            return None;
        }
        let mut bytes = [0; MAX_VERSION];
        match output.read(&mut bytes).ok()? {
            0 => break,
            count => said.extend_from_slice(bytes.get(..count)?),
        }
    }
    String::from_utf8(said).ok()
}

fn numbers(version: &str) -> Option<Vec<u32>> {
    version.split('.').map(|number| number.parse().ok()).collect()
}
