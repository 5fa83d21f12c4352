//! The command line: the flags of the Go implementation (v0.32 to v0.36).

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use cli::confinement::Confinement;
use cli::{FlagSet, LogOptions, Stop};
use labels::Labels;

use crate::exporter::Exporter;
use crate::links::Rules;
use crate::sidecar::Sidecar;

/// The folder that node-feature-discovery reads.
const FOLDER: &str = "/etc/kubernetes/node-feature-discovery/features.d/";
const FILE: &str = "xpum-sidecar-labels.txt";
/// The label's name, behind the namespace.
const LABEL: &str = "xe-links";

/// The flags as they were given.
#[derive(Debug, Clone)]
pub struct Options {
    /// klog's flags.
    pub logs: LogOptions,
    /// How far the process confines itself.
    pub confinement: Confinement,
    interval: u64,
    startup_delay: u64,
    xpum_port: u64,
    cert: String,
    tmp_dir_prefix: String,
    dst_file_path: String,
    lane_count: u64,
    label_namespace: String,
    allow_subdeviceless_links: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            logs: LogOptions::default(),
            confinement: Confinement::default(),
            interval: 10,
            startup_delay: 10,
            xpum_port: 29999,
            cert: String::new(),
            tmp_dir_prefix: FOLDER.to_owned(),
            dst_file_path: format!("{FOLDER}{FILE}"),
            lane_count: 4,
            label_namespace: "gpu.intel.com".to_owned(),
            allow_subdeviceless_links: false,
        }
    }
}

impl Options {
    /// Reads the words after the program's name. As in the Go implementation words that are no flags are ignored.
    pub fn parse<I>(program: &str, args: I) -> Result<Self, Stop>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let mut options = Self::default();
        let mut flags = FlagSet::new(
            program,
            "Labels a node with the links between its Intel GPUs, as XPU Manager shows them: writes a file for \
             node-feature-discovery.",
        );
        flags.uint("interval", &mut options.interval, "seconds between two looks at the links, 1 or more");
        flags.uint("startup-delay", &mut options.startup_delay, "seconds before the first look");
        flags.uint("xpum-port", &mut options.xpum_port, "port of XPU Manager's metrics, on 127.0.0.1");
        flags.string(
            "cert",
            &mut options.cert,
            "ask over HTTPS, and trust the certificates in this PEM file only; over HTTP when empty",
        );
        flags.string(
            "tmp-dir-prefix",
            &mut options.tmp_dir_prefix,
            "no effect: an unfinished file is beside the finished one, out of node-feature-discovery's sight",
        );
        flags.string("dst-file-path", &mut options.dst_file_path, "the file of labels");
        flags.uint("lane-count", &mut options.lane_count, "links of fewer lanes do not count");
        flags.string("label-namespace", &mut options.label_namespace, "namespace of the labels");
        flags.bool(
            "allow-subdeviceless-links",
            &mut options.allow_subdeviceless_links,
            "links between GPUs of one tile count, too",
        );
        options.confinement.add_flag(&mut flags);
        options.logs.add_flags(&mut flags);
        flags.parse(args)?;
        Ok(options)
    }

    /// Before the first look.
    pub fn delay(&self) -> Duration {
        Duration::from_secs(self.startup_delay)
    }

    /// Between two looks.
    pub fn interval(&self) -> Result<Duration, String> {
        match self.interval {
            0 => Err("-interval is 0: it must be 1 or more".to_owned()),
            interval => Ok(Duration::from_secs(interval)),
        }
    }

    /// What does the work.
    pub fn sidecar(&self) -> Result<Sidecar, String> {
        let port = u16::try_from(self.xpum_port).ok().filter(|port| *port > 0);
        let port = port.ok_or_else(|| format!("-xpum-port is {}: it must be 1 to 65535", self.xpum_port))?;
        let key = format!("{}/{LABEL}", self.label_namespace);
        Labels::default().insert(&key, "").map_err(|error| format!("-label-namespace: {error}"))?;
        let path = Path::new(&self.dst_file_path);
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(format!("-dst-file-path {:?} is no file", self.dst_file_path));
        };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let certificate = (!self.cert.is_empty()).then(|| self.cert.clone().into());
        Ok(Sidecar::new(
            Exporter::new(port, certificate),
            Rules { lanes: self.lane_count, without_subdevices: self.allow_subdeviceless_links },
            key,
            folder.to_owned(),
            name.to_string_lossy().into_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(flags: &[&str]) -> Options {
        Options::parse("intel_xpumanager_sidecar", flags.iter().copied()).unwrap()
    }

    #[test]
    fn the_defaults_are_those_of_existing_deployments() {
        let options = parse(&[]);
        assert_eq!(options.interval(), Ok(Duration::from_secs(10)));
        assert_eq!(options.delay(), Duration::from_secs(10));
        let sidecar = options.sidecar().unwrap();
        assert_eq!(sidecar.exporter.address(), "http://127.0.0.1:29999/metrics");
        assert_eq!(sidecar.exporter.patience, Duration::from_secs(5));
        assert_eq!(sidecar.rules, Rules { lanes: 4, without_subdevices: false });
        assert_eq!(sidecar.key, "gpu.intel.com/xe-links");
        assert_eq!(sidecar.folder, Path::new("/etc/kubernetes/node-feature-discovery/features.d"));
        assert_eq!(sidecar.name, "xpum-sidecar-labels.txt");
    }

    #[test]
    fn every_flag_has_its_effect() {
        let options = parse(&[
            "-interval=1",
            "-startup-delay=0",
            "-xpum-port=65535",
            "-cert=/cert/tls.crt",
            "-tmp-dir-prefix=/none",
            "-dst-file-path=labels.txt",
            "-lane-count=18446744073709551615",
            "-label-namespace=xpumanager.intel.com",
            "-allow-subdeviceless-links",
            "word",
        ]);
        assert_eq!(options.interval(), Ok(Duration::from_secs(1)));
        assert_eq!(options.delay(), Duration::ZERO);
        let sidecar = options.sidecar().unwrap();
        assert_eq!(sidecar.exporter.address(), "https://127.0.0.1:65535/metrics");
        assert_eq!(sidecar.rules, Rules { lanes: u64::MAX, without_subdevices: true });
        assert_eq!(sidecar.key, "xpumanager.intel.com/xe-links");
        assert_eq!((sidecar.folder.to_str(), sidecar.name.as_str()), (Some("."), "labels.txt"));
    }

    #[test]
    fn values_that_cannot_work_are_refused_with_the_flag() {
        assert!(parse(&["-interval=0"]).interval().unwrap_err().starts_with("-interval is 0"));
        for (flag, error) in [
            ("-xpum-port=0", "-xpum-port is 0: it must be 1 to 65535"),
            ("-xpum-port=65536", "-xpum-port is 65536: it must be 1 to 65535"),
            ("-label-namespace=", "-label-namespace: \"/xe-links\" is no key"),
            ("-label-namespace=a b", "-label-namespace: \"a b/xe-links\" is no key"),
            ("-dst-file-path=", "-dst-file-path \"\" is no file"),
            ("-dst-file-path=/", "-dst-file-path \"/\" is no file"),
            ("-dst-file-path=/a/..", "-dst-file-path \"/a/..\" is no file"),
        ] {
            let refused = parse(&[flag]).sidecar().unwrap_err();
            assert!(refused.starts_with(error), "{flag}: {refused}");
        }
    }

    #[test]
    fn the_usage_text_is_the_golden_one() {
        let stop = Options::parse("intel_xpumanager_sidecar", ["-h"]).unwrap_err();
        let usage = stop.to_string();
        // The flags that all programs have are in one file.
        let (own, _) = usage.split_once("\nLogging flags:").unwrap();
        simulator::golden("tests/golden/usage.txt", own);
    }
}
