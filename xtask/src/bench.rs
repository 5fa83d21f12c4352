//! `cargo xtask bench`: all benchmarks in one go, written into `docs/benchmarks.md`.

mod bars;
mod page;
mod plots;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::build::SHIPPED;
use crate::platform::Platform;
use crate::{budget, build, cargo, flags, output_of, root, target};

use page::Page;

/// Gibibytes that an API server with 5,000 nodes needs, with both operators beside it.
const MEMORY_OF_OPERATOR: u64 = 14;

const PLOT_OF_ALLOCATE: &str = "\n\n![How long Allocate takes](pictures/bench-allocate.svg)";

/// What is wanted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    quick: bool,
    /// The folder with the Go implementation's binaries.
    reference: Option<PathBuf>,
    /// Names of parts; all if there are none.
    only: Vec<String>,
    without: Vec<String>,
    /// Where page and plots go, instead of `docs`.
    output: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(args: &[&str]) -> Result<Self, String> {
        let is_quick = |arg: &&str| *arg == "--quick";
        let rest: Vec<&str> = args.iter().copied().filter(|arg| !is_quick(arg)).collect();
        let mut options = Self { quick: args.iter().any(is_quick), ..Self::default() };
        for (flag, value) in flags::pairs(&rest)? {
            match flag {
                "--reference" => options.reference = Some(value.into()),
                "--output" => options.output = Some(value.into()),
                "--only" | "--without" if !PARTS.iter().any(|part| part.name == value) => {
                    let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
                    return Err(format!("there is no part {value:?}, only {}", names.join(", ")));
                }
                "--only" => options.only.push(value),
                "--without" => options.without.push(value),
                _ => return Err(format!("there is no flag {flag}")),
            }
        }
        Ok(options)
    }

    fn wants(&self, name: &str) -> bool {
        let is_in = |names: &[String]| names.iter().any(|one| one == name);
        (self.only.is_empty() || is_in(&self.only)) && !is_in(&self.without)
    }
}

/// A part of `bench`, which prints tables.
struct Part {
    /// Its name in the page and on the command line.
    name: &'static str,
    flag: Option<&'static str>,
    /// Which of the shipped binaries is measured; none: all of them, by their files.
    package: Option<&'static str>,
    /// The Go implementation's binary: in its images, and as its `go build` names it.
    reference: &'static [&'static str],
    needs: &'static [Need],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// To put a simulated node in the place of the real one.
    Root,
    /// One for the server, one for who asks.
    TwoCores,
    /// What `tests/cluster/build` makes.
    Kubernetes,
    Memory,
}

const NODE: Option<&str> = Some("intel-device-plugins");
const OPERATOR: Option<&str> = Some("intel-device-plugins-operator");

/// In the order in which they run: what is soon done first.
const PARTS: [Part; 7] = [
    Part { name: "sizes", flag: None, package: None, reference: &[], needs: &[] },
    Part { name: "hook", flag: Some("-hook"), package: NODE, reference: &[], needs: &[] },
    Part {
        name: "webhook",
        flag: Some("-webhook"),
        package: OPERATOR,
        reference: &["intel_sgx_admissionwebhook", "sgx_admissionwebhook"],
        needs: &[Need::TwoCores],
    },
    Part {
        name: "gpu",
        flag: None,
        package: NODE,
        reference: &["intel_gpu_device_plugin", "gpu_plugin"],
        needs: &[],
    },
    Part { name: "families", flag: Some("-families"), package: NODE, reference: &[], needs: &[Need::Root] },
    Part { name: "resources", flag: Some("-resources"), package: NODE, reference: &[], needs: &[] },
    Part {
        name: "operator",
        flag: Some("-operator"),
        package: OPERATOR,
        reference: &["intel_deviceplugin_operator", "operator"],
        needs: &[Need::Root, Need::Kubernetes, Need::Memory],
    },
];

/// Measures, and writes page and plots at the end. A part that cannot run, or fails, keeps the table that it has.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let mut page = Page::read()?;
    let (mut done, mut left_out, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let wanted: Vec<&Part> = PARTS.iter().filter(|part| options.wants(part.name)).collect();
    left_out.extend(
        PARTS
            .iter()
            .filter(|part| !options.wants(part.name))
            .map(|part| (part.name, "not asked for".to_owned())),
    );
    let binaries = Binaries::build()?;
    let samples = target().join("bench-samples.txt");
    // Of an earlier run.
    drop(fs::remove_file(&samples));
    for part in wanted {
        let missing = part.needs.iter().find_map(|need| need.missing());
        if let Some(missing) = missing {
            eprintln!("{}: left out: {missing}", part.name);
            left_out.push((part.name, missing));
            continue;
        }
        let reference = part.reference_in(options.reference.as_deref());
        let beside = if reference.is_some() { ", beside the Go implementation" } else { "" };
        eprintln!("{}: begins{beside}", part.name);
        let begun = Instant::now();
        match binaries.measure(part, reference.as_deref(), &samples, options.quick) {
            Ok(tables) => {
                eprintln!("{}: done in {} s", part.name, begun.elapsed().as_secs());
                // Its plot is made of samples, and comes with them.
                let plot = if part.name == "gpu" { PLOT_OF_ALLOCATE } else { "" };
                page.set(part.name, &format!("{}\n\n{}{beside}.{plot}", tables.trim(), machine()?))?;
                done.push(part.name);
            }
            Err(error) => {
                eprintln!("{}: failed: {error}", part.name);
                failed.push(part.name);
                left_out.push((part.name, "failed".to_owned()));
            }
        }
    }
    page.set("run", &said(&done, &left_out, options.quick))?;
    page.set("bars", &bars::table(&page)?)?;
    let folder = match &options.output {
        Some(folder) => folder.clone(),
        // Not what anybody should read.
        None if options.quick => target().join("bench"),
        None => root().join("docs"),
    };
    write(&folder, &page, &fs::read_to_string(&samples).unwrap_or_default())?;
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("failed: {}; their old tables stay", failed.join(", ")))
    }
}

/// What the page says of the run.
fn said(done: &[&str], left_out: &[(&str, String)], quick: bool) -> String {
    let quick =
        if quick { ", with `--quick`: few rounds, to try the benchmarks and not to be quoted" } else { "" };
    let mut text = format!("The last run measured: {}{quick}.", done.join(", "));
    if !left_out.is_empty() {
        let named: Vec<String> = left_out.iter().map(|(name, why)| format!("{name} ({why})")).collect();
        text += &format!(" Not in it, with tables of an earlier run: {}.", named.join("; "));
    }
    text
}

/// Page and plots; nothing is written until all is there.
fn write(folder: &Path, page: &Page, samples: &str) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let pictures = folder.join("pictures");
    let plots = plots::all(page, samples);
    fs::create_dir_all(&pictures).map_err(|error| failed(&pictures, error))?;
    for (name, plot) in plots {
        let path = pictures.join(name);
        fs::write(&path, plot).map_err(|error| failed(&path, error))?;
    }
    let path = folder.join("benchmarks.md");
    let new = folder.join(".benchmarks.md.new");
    fs::write(&new, page.text())
        .and_then(|()| fs::rename(&new, &path))
        .map_err(|error| failed(&path, error))?;
    println!("{}", path.display());
    Ok(())
}

/// What was measured, and on what. Not when: that would change with each run.
fn machine() -> Result<String, String> {
    let version = env!("CARGO_PKG_VERSION");
    let commit = output_of(Command::new("git").args(["rev-parse", "--short=9", "HEAD"]))?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("processor");
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = kernel.trim().split('-').next().unwrap_or_default();
    Ok(format!("Version {version} ({}), on {cores} cores ({model}), Linux {kernel}", commit.trim()))
}

impl Need {
    /// What is missing, if it is.
    fn missing(self) -> Option<String> {
        match self {
            Self::Root if !is_root() => Some("needs root".to_owned()),
            Self::TwoCores if std::thread::available_parallelism().is_ok_and(|cores| cores.get() < 2) => {
                Some("needs two cores".to_owned())
            }
            Self::Kubernetes if !kubernetes().is_file() => {
                Some("needs Kubernetes: tests/cluster/build target/cluster/testcluster".to_owned())
            }
            Self::Memory if free_gib() < MEMORY_OF_OPERATOR => {
                Some(format!("needs {MEMORY_OF_OPERATOR} GiB of free memory"))
            }
            _ => None,
        }
    }
}

/// Whether this process may do everything.
pub(crate) fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}

fn kubernetes() -> PathBuf {
    target().join("cluster/testcluster")
}

fn free_gib() -> u64 {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = memory.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() >> 20
}

impl Part {
    /// The Go implementation's binary in that folder. That there is none is said.
    fn reference_in(&self, folder: Option<&Path>) -> Option<PathBuf> {
        let folder = folder.filter(|_| !self.reference.is_empty())?;
        let found = self.reference.iter().map(|name| folder.join(name)).find(|path| path.is_file());
        if found.is_none() {
            eprintln!("{}: {} has no {}", self.name, folder.display(), self.reference.join(" and no "));
        }
        let is_fine = is_root() || self.name == "webhook";
        if found.is_some() && !is_fine {
            eprintln!("{}: the Go implementation needs root here, and is left out", self.name);
        }
        // It runs in another folder.
        found.filter(|_| is_fine).and_then(|path| fs::canonicalize(path).ok())
    }
}

/// What measures, and what is measured.
struct Binaries {
    bench: PathBuf,
    shipped: Vec<(&'static str, PathBuf)>,
}

impl Binaries {
    /// Builds what is not there or older than its source.
    fn build() -> Result<Self, String> {
        let platform = Platform::host()?;
        let shipped = SHIPPED.iter().map(|shipped| Ok((shipped.package, build::ship(shipped, platform)?)));
        let shipped = shipped.collect::<Result<_, String>>()?;
        output_of(cargo().args(["build", "--quiet", "--release", "--locked", "--package", "bench"]))?;
        Ok(Self { bench: target().join("release/bench"), shipped })
    }

    fn measure(
        &self,
        part: &Part,
        reference: Option<&Path>,
        samples: &Path,
        quick: bool,
    ) -> Result<String, String> {
        let Some(package) = part.package else { return budget::table() };
        let shipped = self.shipped.iter().find(|(name, _)| *name == package);
        let (_, binary) = shipped.ok_or_else(|| format!("{package} is not shipped"))?;
        let mut command = Command::new(&self.bench);
        command.args(quick.then_some("-quick")).args(part.flag);
        if part.name == "gpu" {
            command.arg(format!("-samples={}", samples.display()));
        }
        command.arg(binary);
        if part.needs.contains(&Need::Kubernetes) {
            command.arg(kubernetes());
        }
        command.args(reference);
        output_of(command.stdin(Stdio::null()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_chosen_by_name() {
        let options =
            Options::parse(&["--quick", "--only", "gpu", "--only=hook", "--reference", "r"]).unwrap();
        assert!(options.quick && options.wants("gpu") && options.wants("hook") && !options.wants("operator"));
        let options = Options::parse(&["--without=operator"]).unwrap();
        assert!(!options.quick && options.wants("gpu") && !options.wants("operator"));
        let error = Options::parse(&["--only=gpus"]).unwrap_err();
        assert!(error.starts_with("there is no part \"gpus\", only sizes, hook,"), "{error}");
    }

    #[test]
    fn the_page_says_which_tables_are_older() {
        let left_out = [("operator", "needs root".to_owned())];
        let said = said(&["gpu", "hook"], &left_out, false);
        let expected = "The last run measured: gpu, hook. Not in it, with tables of an earlier run: operator (needs root).";
        assert_eq!(said, expected);
    }
}
