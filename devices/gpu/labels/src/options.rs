//! The command line. The Go implementation's hook has no flags, not even those of the log.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use cli::confinement::Confinement;
use cli::{FlagSet, Stop};

use crate::labeler::{Feature, Targets};

/// Shorter ones would only be work for the API server.
const SHORTEST: Duration = Duration::from_secs(1);
/// Labels that are older would be of another day.
const LONGEST: Duration = Duration::from_hours(24);

/// The flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) prefix: String,
    pub(crate) interval: Duration,
    pub(crate) confinement: Confinement,
    file: String,
    node_feature: bool,
    node_label: bool,
}

impl Options {
    /// Reads the words after the program's name.
    pub(crate) fn parse<I>(program: &str, args: I) -> Result<Self, Stop>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let mut options = Self {
            prefix: String::new(),
            interval: Duration::from_mins(5),
            confinement: Confinement::default(),
            file: String::new(),
            node_feature: false,
            node_label: false,
        };
        let mut flags = FlagSet::new(
            program,
            "Says in labels what Intel GPUs this node has. Prints them once, a line each, or stays and keeps them in the places that \
             flags name.",
        );
        flags.string("prefix", &mut options.prefix, "folder that holds the /sys to use, for simulated nodes");
        flags.duration(
            "interval",
            &mut options.interval,
            "how often to look at the node, 1s to 24h; 0: print the labels once, whatever other flags say",
        );
        flags.string(
            "file",
            &mut options.file,
            "keep them in this file, below /etc/kubernetes/node-feature-discovery/features.d, for Node Feature Discovery; the file is \
             removed at the end, and expires when this program is killed",
        );
        flags.bool(
            "node-feature",
            &mut options.node_feature,
            "keep them in the NodeFeature object intel-gpu-$NODE_NAME of the namespace $POD_NAMESPACE, for Node Feature Discovery; \
             the object goes with the pod $POD_NAME whose uid is $POD_UID, if these are set",
        );
        flags.bool(
            "node-label",
            &mut options.node_label,
            "keep them on the Node object $NODE_NAME itself; needs no Node Feature Discovery",
        );
        options.confinement.add_flag(&mut flags);
        flags.parse(args)?;
        Ok(options)
    }

    /// The places, if any; the labels are printed once otherwise. The error is a flag or a variable that cannot be used.
    pub(crate) fn targets(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Targets>, String> {
        let has_target = !self.file.is_empty() || self.node_feature || self.node_label;
        if !has_target || self.interval.is_zero() {
            return Ok(None);
        }
        if !(SHORTEST..=LONGEST).contains(&self.interval) {
            return Err(format!("-interval is {:?}: it must be 1s to 24h", self.interval));
        }
        let required = |name: &str, check: fn(&str) -> Result<(), String>| {
            let value = variable(name).ok_or_else(|| format!("{name} is not set"))?;
            check(&value).map_err(|error| format!("{name}: {error}"))?;
            Ok::<_, String>(value)
        };
        let node = || required("NODE_NAME", cluster::check_node_name);
        let feature = || {
            let namespace = required("POD_NAMESPACE", cluster::check_namespace)?;
            Ok::<_, String>(Feature {
                node: node()?,
                namespace,
                pod: variable("POD_NAME").zip(variable("POD_UID")),
            })
        };
        Ok(Some(Targets {
            file: (!self.file.is_empty()).then(|| file(&self.file)).transpose()?,
            feature: self.node_feature.then(feature).transpose()?,
            node: self.node_label.then(node).transpose()?,
        }))
    }
}

/// Folder and name.
fn file(path: &str) -> Result<(std::path::PathBuf, String), String> {
    let parts = Path::new(path).parent().zip(Path::new(path).file_name());
    let (folder, name) = parts.ok_or_else(|| format!("-file: {path:?} is no file"))?;
    let name = name.to_string_lossy().into_owned();
    labels::check_name(&name).map_err(|error| format!("-file: {error}"))?;
    Ok((folder.to_owned(), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(words: &[&str], variables: &[(&str, &str)]) -> Result<Option<Targets>, String> {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name);
        Options::parse("hook", words)
            .unwrap()
            .targets(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn labels_are_printed_without_a_place_for_them_or_without_an_interval() {
        for words in
            [&[][..], &["-interval=10s"], &["-interval=0", "-node-label", "-node-feature", "-file=a"]]
        {
            assert!(targets(words, &[]).unwrap().is_none(), "{words:?}");
        }
    }

    #[test]
    fn places_are_those_that_flags_and_variables_say() {
        let variables =
            [("NODE_NAME", "node-1"), ("POD_NAMESPACE", "ns"), ("POD_NAME", "pod-1"), ("POD_UID", "u-1")];
        let all = targets(&["-file=/a/b.txt", "-node-feature", "-node-label"], &variables).unwrap().unwrap();
        assert_eq!(all.file, Some(("/a".into(), "b.txt".to_owned())));
        assert_eq!(all.node.as_deref(), Some("node-1"));
        let feature = all.feature.unwrap();
        assert_eq!((feature.node.as_str(), feature.namespace.as_str()), ("node-1", "ns"));
        assert_eq!(feature.pod, Some(("pod-1".to_owned(), "u-1".to_owned())));
        // One of the two is not enough.
        let less = targets(&["-node-feature"], &variables[..3]).unwrap().unwrap();
        assert_eq!(less.feature.unwrap().pod, None);
        assert!(less.file.is_none() && less.node.is_none());
        // The API is not asked.
        assert!(targets(&["-file=b.txt"], &[]).unwrap().unwrap().file.is_some());
    }

    #[test]
    fn what_cannot_be_used_is_said_at_once() {
        for (words, variables, expected) in [
            (&["-node-label"][..], &[][..], "NODE_NAME is not set"),
            (&["-node-label"], &[("NODE_NAME", "a/../b")], "NODE_NAME: \"a/../b\" is no name of a node"),
            (&["-node-label"], &[("NODE_NAME", "")], "NODE_NAME: \"\" is no name of a node"),
            (&["-node-feature"], &[("NODE_NAME", "a")], "POD_NAMESPACE is not set"),
            (
                &["-node-feature"],
                &[("NODE_NAME", "a"), ("POD_NAMESPACE", "a?b")],
                "POD_NAMESPACE: \"a?b\" is no name of a namespace",
            ),
            (&["-file=/"], &[], "-file: \"/\" is no file"),
            (&["-file=a/.."], &[], "-file: \"a/..\" is no file"),
            (
                &["-file=a/.b"],
                &[],
                "-file: \".b\" is no name for a file of labels: one part of a path, with no dot at its beginning",
            ),
            (&["-file=a", "-interval=999ms"], &[], "-interval is 999ms: it must be 1s to 24h"),
            (&["-file=a", "-interval=25h"], &[], "-interval is 90000s: it must be 1s to 24h"),
        ] {
            assert_eq!(targets(words, variables).unwrap_err(), expected, "{words:?}");
        }
    }
}
