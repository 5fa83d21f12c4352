//! The command line: the flags of the Go implementation (v0.32 to v0.36).

use std::ffi::OsString;

use cli::plugin::PluginOptions;
use cli::{FlagSet, Stop};

use crate::mode::Mode;

/// The flags as they were given.
#[derive(Debug, Clone)]
pub struct Options {
    /// Before `/sys` and `/dev`.
    pub prefix: String,
    /// What all plugins have.
    pub common: PluginOptions,
    /// Whose annotation may change the mode; none if empty.
    pub node_name: String,
    /// A file that says where the cluster is and who this is; inside the cluster if empty.
    pub kubeconfig: String,
    /// Where the cluster is, instead of what the file says.
    pub master: String,
    mode: String,
}

impl Options {
    /// Reads the words after the program's name; `node_name` is the default of its flag.
    pub fn parse<I>(program: &str, node_name: String, args: I) -> Result<Self, Stop>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let mut options = Self {
            prefix: String::new(),
            common: PluginOptions::default(),
            node_name,
            kubeconfig: String::new(),
            master: String::new(),
            mode: "af".to_owned(),
        };
        let mut flags = FlagSet::new(program, "Offers the Intel FPGAs of a node to Kubernetes.");
        flags.string(
            "mode",
            &mut options.mode,
            "what to offer: af (programmed functions), region (regions, programmed before the container starts), regiondevel \
             (regions that the container programs); an annotation of the node may say otherwise",
        );
        flags.string(
            "prefix",
            &mut options.prefix,
            "folder that holds the /sys and /dev to use, for simulated nodes",
        );
        flags.section("Flags for the node's annotation");
        flags.string(
            "node-name",
            &mut options.node_name,
            "name of the node; nobody is asked when empty; the default is $NODE_NAME",
        );
        flags.string(
            "kubeconfig",
            &mut options.kubeconfig,
            "file that says how to reach the cluster; the pod's own account when empty",
        );
        flags.string(
            "master",
            &mut options.master,
            "address of the cluster, instead of the one in -kubeconfig",
        );
        options.common.add_flags(&mut flags);
        flags.parse(args)?;
        Ok(options)
    }

    /// The mode that the flag asks for.
    pub fn mode(&self) -> Result<Mode, String> {
        self.mode.parse()
    }
}

#[cfg(test)]
mod tests;
