//! What the hardware says about a reconfiguration that failed.

use std::fmt;

/// One error of the hardware. The numbers are the bits of the FME's PR error register, which `intel-fpga` passes on
/// (`DEFINE_FPGA_PR_ERR_MSG` of its `intel-fpga.h`); DFL prints the first five as words
/// (`status_show` of `drivers/fpga/fpga-mgr.c`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Fault {
    /// A reconfiguration that was not begun as it should.
    Operation = 0,
    /// The bitstream is damaged.
    Crc = 1,
    /// The bitstream is for another interface.
    Incompatible = 2,
    /// The bitstream is not in the form that the card's loader takes.
    Protocol = 3,
    /// Data came faster than the card could take it.
    Overflow = 4,
    /// The card did not finish in time; reserved in old versions.
    Timeout = 5,
    /// The card takes signed bitstreams only, and this one is not signed for it.
    SecureLoad = 6,
}

/// The errors of one reconfiguration, as bits. Never empty in an [`Error`](crate::Error).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults(pub u64);

impl Fault {
    /// All of them, by their bits.
    pub const ALL: [Self; 7] = [
        Self::Operation,
        Self::Crc,
        Self::Incompatible,
        Self::Protocol,
        Self::Overflow,
        Self::Timeout,
        Self::SecureLoad,
    ];

    /// The value of its bit.
    pub fn bit(self) -> u64 {
        1 << self as u8
    }

    /// What the kernel's own FPGA manager prints for it; nothing for those that it does not know.
    pub(crate) fn in_manager(self) -> Option<&'static str> {
        match self {
            Self::Operation => Some("reconfig operation error"),
            Self::Crc => Some("reconfig CRC error"),
            Self::Incompatible => Some("reconfig incompatible image"),
            Self::Protocol => Some("reconfig IP protocol error"),
            Self::Overflow => Some("reconfig fifo overflow error"),
            Self::Timeout | Self::SecureLoad => None,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Operation => "operation error",
            Self::Crc => "CRC error, the bitstream is damaged",
            Self::Incompatible => "incompatible bitstream",
            Self::Protocol => "IP protocol error",
            Self::Overflow => "FIFO overflow",
            Self::Timeout => "timeout",
            Self::SecureLoad => "secure load error, the card does not accept the bitstream's signature",
        }
    }
}

impl Faults {
    /// Reads the lines of a `status` of the kernel's FPGA manager. Lines that are not known count as none.
    pub(crate) fn from_manager(text: &str) -> Self {
        let lines = || text.lines().map(str::trim);
        let found =
            Fault::ALL.into_iter().filter(|fault| lines().any(|line| fault.in_manager() == Some(line)));
        Self(found.map(Fault::bit).fold(0, std::ops::BitOr::bitor))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut words = Vec::new();
        for fault in Fault::ALL.into_iter().filter(|fault| self.0 & fault.bit() != 0) {
            words.push(fault.words().to_owned());
            rest &= !fault.bit();
        }
        for bit in (0..u64::BITS).filter(|bit| rest >> bit & 1 == 1) {
            words.push(format!("unknown error (bit {bit})"));
        }
        if words.is_empty() {
            words.push("no reason given".to_owned());
        }
        f.write_str(&words.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_a_status_has_words() {
        let told: Vec<String> = (0..9).map(|bit| Faults(1 << bit).to_string()).collect();
        assert_eq!(
            told,
            [
                "operation error",
                "CRC error, the bitstream is damaged",
                "incompatible bitstream",
                "IP protocol error",
                "FIFO overflow",
                "timeout",
                "secure load error, the card does not accept the bitstream's signature",
                "unknown error (bit 7)",
                "unknown error (bit 8)",
            ]
        );
        assert_eq!(Faults(0).to_string(), "no reason given");
        let two = Faults(Fault::Overflow.bit() | 1 << 63);
        assert_eq!(two.to_string(), "FIFO overflow; unknown error (bit 63)");
    }

    #[test]
    fn the_words_of_the_kernels_manager_are_the_same_bits() {
        for fault in Fault::ALL {
            if let Some(line) = fault.in_manager() {
                assert_eq!(Faults::from_manager(line), Faults(fault.bit()));
            }
        }
        let two = "reconfig CRC error\nreconfig IP protocol error\nsomething new\n";
        assert_eq!(Faults::from_manager(two), Faults(0b1010));
        assert_eq!(Faults::from_manager(""), Faults(0));
    }
}
