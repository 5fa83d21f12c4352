//! The processors that something is shipped for.

use std::process::Command;

use crate::output_of;

/// A processor, with Linux and glibc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Platform {
    /// What Intel's devices are in.
    Amd64,
    /// For what needs none of them.
    Arm64,
}

impl Platform {
    pub(crate) const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// What images call it, which is Go's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Rust's target triple.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// In the header of an ELF file (`e_machine`).
    fn machine(self) -> u16 {
        match self {
            Self::Amd64 => 62,
            Self::Arm64 => 183,
        }
    }

    /// By its target triple.
    pub(crate) fn of_target(target: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|platform| platform.target() == target).ok_or_else(|| {
            let known = Self::ALL.map(Self::target).join(" and ");
            format!("nothing is shipped for {target:?}, only for {known}")
        })
    }

    /// Of a 64-bit little-endian ELF file.
    pub(crate) fn of_program(file: &[u8]) -> Option<Self> {
        let machine = u16::from_le_bytes(file.get(18..20)?.try_into().ok()?);
        Self::ALL.into_iter().find(|platform| platform.machine() == machine)
    }

    /// Of this machine.
    pub(crate) fn host() -> Result<Self, String> {
        let version = output_of(Command::new("rustc").arg("-vV"))?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        Self::of_target(host.ok_or("rustc -vV names no host")?)
    }

    /// The C compiler that makes programs for it on this machine; for another processor, by Debian's name.
    pub(crate) fn compiler(self) -> Result<String, String> {
        if self == Self::host()? {
            return Ok("cc".to_owned());
        }
        Ok(format!("{}-gcc", self.target().replace("-unknown", "")))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_program_tells_what_it_runs_on() {
        let this = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(Platform::of_program(&this).unwrap(), Platform::host().unwrap());
        let mut header = [0; 64];
        for (machine, platform) in [(62, Some(Platform::Amd64)), (183, Some(Platform::Arm64)), (243, None)] {
            header[18] = machine;
            assert_eq!(Platform::of_program(&header), platform, "e_machine {machine}");
        }
        assert_eq!(Platform::of_program(b"#!/bin/sh"), None);
    }

    #[test]
    fn targets_that_nothing_is_shipped_for_are_refused() {
        for platform in Platform::ALL {
            assert_eq!(Platform::of_target(platform.target()), Ok(platform));
        }
        let error = Platform::of_target("riscv64gc-unknown-linux-gnu").unwrap_err();
        assert!(error.contains("x86_64-unknown-linux-gnu and aarch64-unknown-linux-gnu"), "{error}");
    }
}
