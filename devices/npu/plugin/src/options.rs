//! The command line: the flags of the Go implementation (v0.32 to v0.36).

use std::ffi::OsString;

use cli::plugin::PluginOptions;
use cli::{FlagSet, Stop};

/// The kubelet takes lists of up to 4 MiB, which is less than 200,000 devices.
const MAX_SHARES: u32 = 200_000;

/// The flags as they were given.
#[derive(Debug, Clone)]
pub struct Options {
    /// Before `/sys` and `/dev`.
    pub prefix: String,
    /// What all plugins have.
    pub common: PluginOptions,
    shared_dev_num: i64,
}

impl Options {
    /// Reads the words after the program's name.
    pub fn parse<I>(program: &str, args: I) -> Result<Self, Stop>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let mut options = Self { prefix: String::new(), common: PluginOptions::default(), shared_dev_num: 1 };
        let mut flags = FlagSet::new(program, "Offers the Intel NPUs of a node to Kubernetes.");
        flags.int("shared-dev-num", &mut options.shared_dev_num, "how many containers may share one NPU");
        flags.string(
            "prefix",
            &mut options.prefix,
            "folder that holds the /sys and /dev to use, for simulated nodes",
        );
        options.common.add_flags(&mut flags);
        flags.parse(args)?;
        Ok(options)
    }

    /// How many containers may share an NPU.
    pub fn shares(&self) -> Result<u32, String> {
        let Ok(shares @ 1..=MAX_SHARES) = u32::try_from(self.shared_dev_num) else {
            let given = self.shared_dev_num;
            return Err(format!("argument error: -shared-dev-num is {given}, not 1 to {MAX_SHARES}"));
        };
        Ok(shares)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(flags: &[&str]) -> Result<u32, String> {
        Options::parse("npu", flags.iter().copied()).unwrap().shares()
    }

    #[test]
    fn an_npu_is_shared_once_or_more() {
        assert_eq!(shares(&[]), Ok(1));
        assert_eq!(shares(&["-shared-dev-num=0x10"]), Ok(16));
        for bad in ["0", "-1", "200001"] {
            let error = shares(&["-shared-dev-num", bad]).unwrap_err();
            assert_eq!(error, format!("argument error: -shared-dev-num is {bad}, not 1 to 200000"));
        }
    }

    #[test]
    fn unknown_flags_and_bad_values_are_usage_errors() {
        for bad in ["-shared-dev-num=many", "-no-such-flag"] {
            assert_eq!(Options::parse("npu", [bad]).unwrap_err().exit_code(), 2, "{bad}");
        }
    }

    #[test]
    fn the_usage_text_is_the_golden_one() {
        let stop = Options::parse("intel_npu_device_plugin", ["-h"]).unwrap_err();
        assert_eq!(stop.exit_code(), 0);
        simulator::golden("tests/golden/usage.txt", &stop.to_string());
    }
}
