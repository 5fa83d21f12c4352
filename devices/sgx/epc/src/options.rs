//! The command line: the flags of the Go implementation (v0.32 to v0.36), which has none for logs.

use std::ffi::OsString;

use cli::confinement::Confinement;
use cli::{FlagSet, Stop};

/// The flags.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag, and goes with all the others")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Tell Kubernetes the size, as what the node can give.
    pub register: bool,
    /// Fail where there is no enclave memory.
    pub affirm: bool,
    /// Label the node if there is some.
    pub node_label: bool,
    /// Stay, and see that the node keeps both.
    pub daemon: bool,
    /// How far the process confines itself.
    pub confinement: Confinement,
}

impl Options {
    /// Reads the words after the program's name.
    pub fn parse<I>(program: &str, args: I) -> Result<Self, Stop>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let mut options = Self::default();
        let mut flags =
            FlagSet::new(program, "Tells Kubernetes how much enclave memory (EPC) this node has.");
        flags.bool(
            "register",
            &mut options.register,
            "write it to the status of the node $NODE_NAME, as the capacity sgx.intel.com/epc",
        );
        flags.bool("affirm", &mut options.affirm, "fail if there is none");
        flags.bool(
            "node-label",
            &mut options.node_label,
            "label the node $NODE_NAME with sgx.intel.com/capable=true if there is some; else take the label away",
        );
        flags.bool(
            "daemon",
            &mut options.daemon,
            "stay until SIGTERM: try again what failed, and look each minute whether the node still has both",
        );
        options.confinement.add_flag(&mut flags);
        flags.parse(args)?;
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_go_together_and_other_words_are_left_alone() {
        let confinement = Confinement::Strict;
        let all = Options { register: true, affirm: true, node_label: true, daemon: true, confinement };
        let words = ["-register", "-affirm=true", "--node-label", "-daemon", "-confine=strict", "word"];
        assert_eq!(Options::parse("hook", words), Ok(all));
        assert_eq!(Options::parse("hook", ["word", "-register"]), Ok(Options::default()));
    }

    #[test]
    fn flags_of_logs_are_usage_errors_as_ever() {
        for bad in ["-v=4", "-register=maybe"] {
            assert_eq!(Options::parse("hook", [bad]).unwrap_err().exit_code(), 2, "{bad}");
        }
    }

    #[test]
    fn the_usage_text_is_the_golden_one() {
        let stop = Options::parse("intel-sgx-epchook", ["-h"]).unwrap_err();
        assert_eq!(stop.exit_code(), 0);
        simulator::golden("tests/golden/usage.txt", &stop.to_string());
    }
}
