//! Lengths of time as Go writes them: `1h30m`, `1.5s`, `300ms`.

use std::fmt::Write as _;
use std::time::Duration;

/// The longest length that Go can hold, about 292 years, in nanoseconds.
const LONGEST: u128 = i64::MAX as u128;

/// Reads decimal numbers, each with an optional fraction and a unit, as `time.ParseDuration` does. `None` when
/// the text is anything else, too long a time for Go, or negative.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0u128;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(number_end)?;
        let unit_end = tail.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(unit_end)?;
        total += nanoseconds(number, unit)?;
        if total > LONGEST {
            return None;
        }
        rest = tail;
    }
    if negative && total > 0 {
        return None;
    }
    Some(Duration::from_nanos(u64::try_from(total).ok()?))
}

/// One number and its unit; parts below a nanosecond are cut off.
fn nanoseconds(number: &str, unit: &str) -> Option<u128> {
    let unit: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()?.into() };
    // Digits beyond the 18th are worth less than a nanosecond even in hours.
    let (mut part, mut scale) = (0u128, 1u128);
    for digit in fraction.bytes().take(18) {
        part = part * 10 + u128::from(digit - b'0');
        scale *= 10;
    }
    Some(whole * unit + part * unit / scale)
}

/// The shortest text that Go prints for this length: `1h30m0s`, `1.5s`, `300ms`, `0s`.
pub(super) fn format(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    if nanoseconds < 1_000_000_000 {
        return match nanoseconds {
            0 => "0s".to_owned(),
            1..1_000 => format!("{nanoseconds}ns"),
            1_000..1_000_000 => format!("{}µs", decimal(nanoseconds, 3)),
            _ => format!("{}ms", decimal(nanoseconds, 6)),
        };
    }
    let minutes = nanoseconds / 60_000_000_000;
    let mut text = String::new();
    // Writing to a string cannot fail.
    if minutes >= 60 {
        let _ = write!(text, "{}h", minutes / 60);
    }
    if minutes > 0 {
        let _ = write!(text, "{}m", minutes % 60);
    }
    text + &decimal(nanoseconds % 60_000_000_000, 9) + "s"
}

/// `value` / 10^`places`, without zeros at the end.
fn decimal(value: u128, places: u32) -> String {
    let unit = 10u128.pow(places);
    let mut text = format!("{}.{:0places$}", value / unit, value % unit, places = places as usize);
    text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    text
}
