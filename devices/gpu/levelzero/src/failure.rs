//! Why a question to Level Zero has no answer.

use std::fmt;

/// A call that failed: its result in the library's numbering (`ze_result_t` of `ze_api.h`), and a text that says which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: u32,
    text: String,
}

/// "Device hung, reset, was removed, or driver update occurred."
pub(crate) const DEVICE_LOST: u32 = 0x7000_0001;
const REQUIRES_RESET: u32 = 0x7000_0006;
const NOT_AVAILABLE: u32 = 0x7001_0001;
const UNINITIALIZED: u32 = 0x7800_0001;
const UNSUPPORTED_FEATURE: u32 = 0x7800_0003;
const INVALID_ARGUMENT: u32 = 0x7800_0004;
const UNKNOWN: u32 = 0x7fff_fffe;

impl Failure {
    /// A call's result.
    pub(crate) fn check(call: &str, code: u32) -> Result<(), Self> {
        if code == 0 {
            Ok(())
        } else {
            Err(Self { code, text: format!("{call}: {} (0x{code:X})", words(code)) })
        }
    }

    pub(crate) fn not_loaded(text: String) -> Self {
        Self { code: UNINITIALIZED, text }
    }

    pub(crate) fn not_available(text: String) -> Self {
        Self { code: NOT_AVAILABLE, text }
    }

    pub(crate) fn lost(text: String) -> Self {
        Self { code: DEVICE_LOST, text }
    }

    pub(crate) fn invalid(text: String) -> Self {
        Self { code: INVALID_ARGUMENT, text }
    }

    pub(crate) fn unknown(text: String) -> Self {
        Self { code: UNKNOWN, text }
    }

    /// The device itself is broken or gone, not only this question to it.
    pub(crate) fn is_of_the_device(&self) -> bool {
        matches!(self.code, DEVICE_LOST | REQUIRES_RESET)
    }

    /// The driver has no such call for this device, which says nothing of the device.
    pub(crate) fn is_unsupported(&self) -> bool {
        self.code == UNSUPPORTED_FEATURE
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A result's name, as the Go implementation words it.
fn words(code: u32) -> &'static str {
    match code {
        0x1 => "not ready",
        DEVICE_LOST => "device lost",
        REQUIRES_RESET => "device requires reset",
        0x7000_0007 => "device in low power state",
        0x7001_0000 => "insufficient permissions",
        NOT_AVAILABLE => "not available",
        0x7002_0000 => "dependency unavailable",
        UNINITIALIZED => "uninitialized",
        0x7800_0002 => "unsupported version",
        UNSUPPORTED_FEATURE => "unsupported feature",
        INVALID_ARGUMENT => "invalid argument",
        0x7800_0005 => "invalid null handle",
        0x7800_0007 => "invalid null pointer",
        UNKNOWN => "unknown",
        _ => "not known",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_call_and_its_result() {
        let failure = Failure::check("zesInit", 0x7001_0000).unwrap_err();
        assert_eq!(failure.to_string(), "zesInit: insufficient permissions (0x70010000)");
        let failure = Failure::check("zesInit", 0x7abc_def0).unwrap_err();
        assert_eq!(failure.to_string(), "zesInit: not known (0x7ABCDEF0)");
        assert_eq!(Failure::check("zesInit", 0), Ok(()));
    }

    #[test]
    fn only_a_lost_device_and_one_that_needs_a_reset_are_broken() {
        for (code, broken) in
            [(DEVICE_LOST, true), (REQUIRES_RESET, true), (NOT_AVAILABLE, false), (UNKNOWN, false)]
        {
            assert_eq!(Failure::check("call", code).unwrap_err().is_of_the_device(), broken, "{code:#x}");
        }
    }
}
