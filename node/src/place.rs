//! Which node a tool looks at: this one, one whose root is a folder, or a simulated one.

use std::error::Error;
use std::path::{Path, PathBuf};

use ::doctor::kubelet::FOLDER;
use cli::FlagSet;
use host::Host;
use simulator::{Profile, SimulatedNode};

/// Where `kubectl debug node` puts the node's root.
const HOST: &str = "/host";

/// The flags by which a tool is told.
#[derive(Debug, Default)]
pub(crate) struct Place {
    root: String,
    profile: String,
}

/// A node to look at. A simulated one is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) host: Host,
    /// What the node is called in what is shown: `this node`, the folder, or the profile.
    pub(crate) name: String,
    /// Whether it is the one that this program runs on, with its kubelet.
    pub(crate) is_live: bool,
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    pub(crate) fn add_flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.string(
            "root",
            &mut self.root,
            "look at the node whose root is this folder: /host in a pod of `kubectl debug node`",
        );
        flags.string(
            "profile",
            &mut self.profile,
            "look at a simulated node: a name from `simulate -list-profiles`, or a file that `record` wrote",
        );
    }

    /// The node that the flags name; without any, the one that this program runs on.
    pub(crate) fn open(&self) -> Result<Node, Box<dyn Error>> {
        if !self.root.is_empty() && !self.profile.is_empty() {
            return Err("-root and -profile name different nodes: give one of them".into());
        }
        if self.profile.is_empty() {
            let name = match self.root.as_str() {
                "" | "/" => "this node",
                root => root,
            };
            let (host, name) = (root(&self.root)?, name.to_owned());
            return Ok(Node { host, name, is_live: true, _folder: None });
        }
        let profile = profile(&self.profile)?;
        let folder = tempfile::tempdir()?;
        let root: PathBuf = folder.path().join("node");
        let node = SimulatedNode::create(&root, &profile)?;
        Ok(Node { host: node.host(), name: self.profile.clone(), is_live: false, _folder: Some(folder) })
    }
}

/// The node whose root is this folder, this one when it is empty. The error may be that it is rather a pod's, made by
/// `kubectl debug node`: all of the node would seem to be missing.
pub(crate) fn root(folder: &str) -> Result<Host, Box<dyn Error>> {
    let host = Host::at(folder)?;
    let has = |path: &str| host.metadata(path).is_ok();
    if !has(FOLDER) && has(&format!("{HOST}{FOLDER}")) {
        let folder = folder.trim_end_matches('/');
        return Err(format!(
            "this is a pod, and the node's root is at {folder}{HOST}: add -root {folder}{HOST}"
        )
        .into());
    }
    Ok(host)
}

/// The built-in profile of this name, or that in a file.
pub(crate) fn profile(name: &str) -> Result<Profile, Box<dyn Error>> {
    if !name.contains(['/', '.']) {
        return Ok(Profile::builtin(name).map_err(|error| format!("{error}; for a file, give ./{name}"))?);
    }
    let is_json = Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
    if is_json { Ok(gpu_fakedev::load(Path::new(name))?) } else { Ok(Profile::load(name)?) }
}
