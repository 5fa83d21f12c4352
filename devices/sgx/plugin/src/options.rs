//! The command line: the flags of the Go implementation (v0.32 to v0.36).

use std::ffi::OsString;

use cli::plugin::PluginOptions;
use cli::{FlagSet, Stop};

/// The kubelet takes lists of up to 4 MiB: for ids of this length, more than 150,000 devices.
pub(crate) const MAX_UNITS: u64 = 100_000;

/// The flags as they were given.
#[derive(Debug, Clone)]
pub struct Options {
    /// Before `/dev`.
    pub prefix: String,
    /// What all plugins have.
    pub common: PluginOptions,
    enclave_limit: u64,
    provision_limit: u64,
    dcap_infra_resources: bool,
}

/// What the flags mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// How often enclaves are offered; at most 100,000.
    pub enclaves: u64,
    /// How often provisioning is offered; at most 100,000.
    pub provisions: u64,
    /// Offer what the programs of attestation need, too.
    pub infrastructure: bool,
}

impl Options {
    /// Reads the words after the program's name; `default` is how often each device is offered unless they say otherwise.
    pub fn parse<I>(program: &str, default: u64, args: I) -> Result<Self, Stop>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let mut options = Self {
            prefix: String::new(),
            common: PluginOptions::default(),
            enclave_limit: default,
            provision_limit: default,
            dcap_infra_resources: false,
        };
        let mut flags = FlagSet::new(program, "Offers the Intel SGX of a node to Kubernetes.");
        flags.uint(
            "enclave-limit",
            &mut options.enclave_limit,
            "how many containers may have enclaves; $PODS_PER_CORE times the processors if that is set",
        );
        flags.uint(
            "provision-limit",
            &mut options.provision_limit,
            "how many containers may have the provisioning key; $PODS_PER_CORE times the processors if that is set",
        );
        flags.bool(
            "dcap-infra-resources",
            &mut options.dcap_infra_resources,
            "offer qe and registration, for the programs of attestation; will change or go",
        );
        flags.string("prefix", &mut options.prefix, "folder that holds the /dev to use, for simulated nodes");
        options.common.add_flags(&mut flags);
        flags.parse(args)?;
        Ok(options)
    }

    /// What the flags mean; the first thing that is wrong is the error.
    pub fn check(&self) -> Result<Config, String> {
        let limits = [("-enclave-limit", self.enclave_limit), ("-provision-limit", self.provision_limit)];
        for (flag, limit) in limits {
            if limit > MAX_UNITS {
                return Err(format!("argument error: {flag} is {limit}, not 0 to {MAX_UNITS}"));
            }
        }
        Ok(Config {
            enclaves: self.enclave_limit,
            provisions: self.provision_limit,
            infrastructure: self.dcap_infra_resources,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(flags: &[&str]) -> Result<Config, String> {
        Options::parse("sgx", 110, flags.iter().copied()).unwrap().check()
    }

    #[test]
    fn flags_win_over_the_default() {
        assert_eq!(config(&[]), Ok(Config { enclaves: 110, provisions: 110, infrastructure: false }));
        let flags = ["-enclave-limit=0", "-provision-limit", "0x20", "-dcap-infra-resources"];
        assert_eq!(config(&flags), Ok(Config { enclaves: 0, provisions: 32, infrastructure: true }));
    }

    #[test]
    fn more_than_the_kubelet_takes_is_refused() {
        let error = config(&["-provision-limit=100001"]).unwrap_err();
        assert_eq!(error, "argument error: -provision-limit is 100001, not 0 to 100000");
        assert!(config(&["-enclave-limit=18446744073709551615"]).is_err());
    }

    #[test]
    fn what_is_no_unsigned_number_is_a_usage_error() {
        for bad in ["-enclave-limit=-1", "-provision-limit=many", "-enclave-limit=+1", "-no-such-flag"] {
            assert_eq!(Options::parse("sgx", 110, [bad]).unwrap_err().exit_code(), 2, "{bad}");
        }
    }

    #[test]
    fn the_usage_text_is_the_golden_one() {
        let stop = Options::parse("intel_sgx_device_plugin", 110, ["-h"]).unwrap_err();
        assert_eq!(stop.exit_code(), 0);
        simulator::golden("tests/golden/usage.txt", &stop.to_string());
    }
}
