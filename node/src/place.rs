//! Which node a tool looks at: this one, one whose root is a folder, or a simulated one.

use std::error::Error;
use std::path::{Path, PathBuf};

use cli::FlagSet;
use host::Host;
use simulator::{Profile, SimulatedNode};

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
            let (host, name) = match self.root.as_str() {
                "" | "/" => (Host::real(), "this node".to_owned()),
                root => (Host::at(root)?, root.to_owned()),
            };
            return Ok(Node { host, name, is_live: true, _folder: None });
        }
        let profile = profile(&self.profile)?;
        let folder = tempfile::tempdir()?;
        let root: PathBuf = folder.path().join("node");
        let node = SimulatedNode::create(&root, &profile)?;
        Ok(Node { host: node.host(), name: self.profile.clone(), is_live: false, _folder: Some(folder) })
    }
}

/// The built-in profile of this name, or that in a file.
pub(crate) fn profile(name: &str) -> Result<Profile, Box<dyn Error>> {
    if !name.contains(['/', '.']) {
        return Ok(Profile::builtin(name)?);
    }
    let is_json = Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
    if is_json { Ok(gpu_fakedev::load(Path::new(name))?) } else { Ok(Profile::load(name)?) }
}
