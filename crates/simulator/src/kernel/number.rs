//! Numbers as the kernel reads them from attributes (`lib/kstrtox.c`): one newline may follow, nothing else.

use std::collections::BTreeSet;

/// An unsigned number in a base; 0 is the base that a prefix says.
pub(super) fn unsigned(text: &str, base: u32) -> Option<u64> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    digits(text.strip_prefix('+').unwrap_or(text), base)
}

/// A number in base ten that may be negative.
pub(super) fn signed(text: &str) -> Option<i64> {
    let Some(negative) = text.strip_prefix('-') else {
        return unsigned(text, 10)?.try_into().ok();
    };
    let value = digits(negative.strip_suffix('\n').unwrap_or(negative), 10)?;
    0i64.checked_sub_unsigned(value)
}

/// `kstrtobool`, which looks at the first two letters only.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.as_bytes() {
        [b'y' | b'Y' | b't' | b'T' | b'1', ..] | [b'o' | b'O', b'n' | b'N', ..] => Some(true),
        [b'n' | b'N' | b'f' | b'F' | b'0', ..] | [b'o' | b'O', b'f' | b'F', ..] => Some(false),
        _ => None,
    }
}

fn digits(text: &str, base: u32) -> Option<u64> {
    let (text, base) = match (base, text.get(..2)) {
        (0 | 16, Some("0x" | "0X")) => (text.get(2..)?, 16),
        (0, _) if text.starts_with('0') => (text, 8),
        (0, _) => (text, 10),
        (base, _) => (text, base),
    };
    // The standard library would take a sign.
    let good = text.chars().all(|letter| letter.is_digit(base));
    good.then(|| u64::from_str_radix(text, base).ok()).flatten()
}

/// The first number that no name `PREFIXnumber` has (`ida_alloc`).
pub(super) fn first_free(prefix: &str, names: &[String]) -> u32 {
    let taken: BTreeSet<u32> =
        names.iter().filter_map(|name| name.strip_prefix(prefix)?.parse().ok()).collect();
    (0..u32::MAX).find(|number| !taken.contains(number)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_kernel_does() {
        for (text, base, value) in [
            ("0", 10, Some(0)),
            ("16\n", 10, Some(16)),
            ("+16", 10, Some(16)),
            ("0x10", 0, Some(16)),
            ("0X10", 0, Some(16)),
            ("010", 0, Some(8)),
            ("08", 0, None),
            ("010", 10, Some(10)),
            ("0x10", 10, None),
            ("8086", 16, Some(0x8086)),
            ("0x8086", 16, Some(0x8086)),
            ("", 10, None),
            ("\n", 10, None),
            ("1\n\n", 10, None),
            (" 1", 10, None),
            ("-1", 10, None),
            ("++1", 10, None),
            ("18446744073709551616", 10, None),
        ] {
            assert_eq!(unsigned(text, base), value, "{text:?} {base}");
        }
        for (text, value) in
            [("-1\n", Some(-1)), ("3", Some(3)), ("-", None), ("-+1", None), ("9223372036854775808", None)]
        {
            assert_eq!(signed(text), value, "{text:?}");
        }
        for (text, value) in [
            ("on", Some(true)),
            ("off\n", Some(false)),
            ("Y", Some(true)),
            ("0", Some(false)),
            ("o", None),
            ("2", None),
            ("", None),
        ] {
            assert_eq!(boolean(text), value, "{text:?}");
        }
    }

    #[test]
    fn the_first_free_number_is_in_the_first_gap() {
        let names = ["dlb0", "dlb2", "x1"].map(str::to_owned);
        assert_eq!(first_free("dlb", &names), 1);
        assert_eq!(first_free("", &names), 0);
    }
}
