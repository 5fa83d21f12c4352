//! `cargo xtask build`: the binaries as they are shipped.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::platform::Platform;
use crate::{cargo, flags, output_of, root, target};

/// A package that is shipped: it has one binary of its own name.
pub(crate) struct Shipped {
    pub(crate) package: &'static str,
    /// Whether it runs on every node of a cluster, where each page of memory counts: as small as can be, and measured not slower
    /// (`docs/benchmarks.md`).
    pub(crate) on_nodes: bool,
    /// The shared libraries that it needs, to the letter. None: it is static, and has no interpreter either.
    pub(crate) libraries: &'static [&'static str],
}

impl Shipped {
    pub(crate) fn is_static(&self) -> bool {
        self.libraries.is_empty()
    }

    /// What runs on the nodes with Intel's devices has nothing to do elsewhere.
    pub(crate) fn is_for(&self, platform: Platform) -> bool {
        platform == Platform::Amd64 || !self.on_nodes
    }
}

pub(crate) const SHIPPED: [Shipped; 3] = [
    Shipped { package: "intel-device-plugins", on_nodes: true, libraries: &[] },
    Shipped { package: "intel-device-plugins-operator", on_nodes: false, libraries: &[] },
    // It loads Level Zero's loader while it runs, which a static program cannot.
    Shipped { package: "intel_gpu_levelzero", on_nodes: true, libraries: &["libc.so.6", "libgcc_s.so.1"] },
];

/// Of what is static. Names of sections with the types in them, which the layout needs; and few bytes for each relocation, a
/// format that would bind what is not static to glibc 2.36.
const STATIC_FLAGS: [&str; 3] = [
    "-Ctarget-feature=+crt-static",
    "-Csymbol-mangling-version=v0",
    "-Clink-arg=-Wl,-z,pack-relative-relocs",
];

/// A linker script that lays what runs at the start side by side (`docs/decisions/0007-the-start-in-one-place.md`), in what is
/// static and on nodes.
const LAYOUT: &str = "xtask/start.ld";

/// Reads `--target TRIPLE`, any number of times.
pub(crate) fn platforms(args: &[&str]) -> Result<Vec<Platform>, String> {
    let read = |(flag, value): (&str, String)| match flag {
        "--target" => Platform::of_target(&value),
        _ => Err(format!("there is no flag {flag}")),
    };
    flags::pairs(args)?.into_iter().map(read).collect()
}

/// Builds and prints all that is shipped for these, or for this machine's.
pub(crate) fn run(platforms: &[Platform]) -> Result<(), String> {
    let host = [Platform::host()?];
    for platform in if platforms.is_empty() { &host } else { platforms } {
        for shipped in SHIPPED.iter().filter(|shipped| shipped.is_for(*platform)) {
            let path = ship(shipped, *platform)?;
            let size = fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?.len();
            println!("{} ({size} bytes)", path.display());
        }
    }
    Ok(())
}

/// Builds one and returns its path. The binary is the same wherever the repository and the target folder are, which
/// `cargo xtask release --twice` checks.
pub(crate) fn ship(shipped: &Shipped, platform: Platform) -> Result<PathBuf, String> {
    let package = shipped.package;
    let folder = target();
    let target = platform.target();
    let mut flags = places(&folder)?;
    if shipped.is_static() {
        flags.extend(STATIC_FLAGS.map(str::to_owned));
    }
    // With --target, flags reach neither build scripts nor procedural macros, which cannot be static.
    let mut command = cargo();
    command
        .args(["rustc", "--release", "--locked", "--message-format=json-render-diagnostics"])
        .args(["--package", package, "--target", target])
        .env("CARGO_TARGET_DIR", folder)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    let linker = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"));
    if platform != Platform::host()? && std::env::var_os(&linker).is_none() {
        command.env(linker, platform.compiler()?);
    }
    if shipped.on_nodes {
        command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "z");
    }
    if !shipped.is_static() {
        // Changes nothing but the profile: as flags that name places are among them, cargo keeps crates apart by profile and not by
        // flags, and would build them anew for each in turn.
        command.env("CARGO_PROFILE_RELEASE_SPLIT_DEBUGINFO", "off");
    }
    if shipped.on_nodes && shipped.is_static() {
        command.args(["--", "-C", &format!("link-arg=-Wl,-T,{}", root().join(LAYOUT).display())]);
    }
    let messages = output_of(&mut command)?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message.pointer("/target/name").and_then(Value::as_str) == Some(package))
        .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .ok_or_else(|| format!("package {package} has no binary of that name"))
}

/// Flags that give places of this machine, which messages of panics name, the same names as on any other.
fn places(folder: &Path) -> Result<Vec<String>, String> {
    let home = std::env::home_dir().unwrap_or_default().join(".cargo");
    let cargo = std::env::var_os("CARGO_HOME").map_or(home, PathBuf::from);
    let named =
        [(root(), "/source"), (folder.to_owned(), "/target"), (cargo.join("registry/src"), "/crates")];
    let flag = |(place, name): (PathBuf, &str)| {
        let place = if place.exists() { fs::canonicalize(&place) } else { std::path::absolute(&place) };
        place.map(|place| format!("--remap-path-prefix={}={name}", place.display()))
    };
    let flags: std::io::Result<Vec<String>> = named.into_iter().map(flag).collect();
    flags.map_err(|error| format!("places of this machine: {error}"))
}
