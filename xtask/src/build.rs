//! `cargo xtask build`: the binaries as they are shipped.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::platform::Platform;
use crate::{cargo, flags, output_of, root};

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
const STATIC_FLAGS: &str = "-C target-feature=+crt-static -C symbol-mangling-version=v0 \
                     -C link-arg=-Wl,-z,pack-relative-relocs";

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

/// Builds one and returns its path.
pub(crate) fn ship(shipped: &Shipped, platform: Platform) -> Result<PathBuf, String> {
    let package = shipped.package;
    let target = platform.target();
    let variable = |name: &str| format!("CARGO_TARGET_{}_{name}", target.to_uppercase().replace('-', "_"));
    // With --target, flags reach neither build scripts nor procedural macros, which cannot be static.
    let mut command = cargo();
    command
        .args(["rustc", "--release", "--locked", "--message-format=json-render-diagnostics"])
        .args(["--package", package, "--target", target])
        .env(variable("RUSTFLAGS"), if shipped.is_static() { STATIC_FLAGS } else { "" })
        // These would be taken in place of the variable above.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    if platform != Platform::host()? && std::env::var_os(variable("LINKER")).is_none() {
        command.env(variable("LINKER"), platform.compiler()?);
    }
    if shipped.on_nodes {
        command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "z");
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
