//! `cargo xtask build`: the binaries as they are shipped.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::{cargo, output_of, root};

/// Packages that are shipped; each has one binary of its own name.
pub(crate) const SHIPPED: [&str; 1] = ["intel-device-plugins"];

/// Names of sections with the types in them, which the layout needs; and few bytes for each relocation.
const FLAGS: &str = "-C target-feature=+crt-static -C symbol-mangling-version=v0 \
                     -C link-arg=-Wl,-z,pack-relative-relocs";

/// A linker script that lays what runs at the start side by side (`docs/decisions/0007-the-start-in-one-place.md`).
const LAYOUT: &str = "xtask/start.ld";

/// Builds and prints them all.
pub(crate) fn run() -> Result<(), String> {
    for package in SHIPPED {
        let path = ship(package)?;
        let size = fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?.len();
        println!("{} ({size} bytes)", path.display());
    }
    Ok(())
}

/// Builds one as a static executable and returns its path.
pub(crate) fn ship(package: &str) -> Result<PathBuf, String> {
    let host = host()?;
    // With --target, flags reach neither build scripts nor procedural macros, which cannot be static.
    let variable = format!("CARGO_TARGET_{}_RUSTFLAGS", host.to_uppercase().replace('-', "_"));
    let mut command = cargo();
    command
        .args(["rustc", "--release", "--locked", "--message-format=json-render-diagnostics"])
        .args(["--package", package, "--target", &host])
        .args(["--", "-C", &format!("link-arg=-Wl,-T,{}", root().join(LAYOUT).display())])
        .env(variable, FLAGS)
        // These would be taken in place of the variable above.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    let messages = output_of(&mut command)?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message.pointer("/target/name").and_then(Value::as_str) == Some(package))
        .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .ok_or_else(|| format!("package {package} has no binary of that name"))
}

/// The target triple of this machine.
pub(crate) fn host() -> Result<String, String> {
    let version = output_of(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc -vV names no host".to_owned())
}
