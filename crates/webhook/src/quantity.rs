//! Amounts of resources, in all notations that Kubernetes has for them.
//!
//! The format: [resource.Quantity](https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/).

use std::str::FromStr;

use serde_json::Value;

/// Nanos in a unit: the finest that Kubernetes keeps.
const NANO: i128 = 1_000_000_000;

/// Above it Kubernetes cuts quantities; here they are errors.
const MAX: i128 = i64::MAX as i128 * NANO;

/// How long a text may be. Kubernetes itself writes at most 30 characters.
const MAX_LENGTH: usize = 100;

/// An amount, exact to a billionth and up to 2⁶³-1 units to each side of zero. What is finer is rounded up, away from zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity {
    nanos: i128,
}

/// A text that is no quantity.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Another text than the format allows.
    #[error(
        "{0:?} is no quantity: write a number, and after it nothing, one of n u m k M G T P E Ki Mi Gi Ti Pi Ei, or an exponent like e3"
    )]
    Malformed(String),
    /// More than 2⁶³-1 units.
    #[error("{0:?} is more than a quantity can be, 2^63-1")]
    Overflow(String),
    /// More characters than any quantity needs.
    #[error("a quantity of {0} characters; no more than {MAX_LENGTH} are read")]
    TooLong(usize),
    /// JSON that is neither text nor number.
    #[error("a quantity is a text or a number, not a list, a map, true or false")]
    WrongType,
}

impl Quantity {
    /// Reads what stands in a map of resources. `null` is zero, as for Kubernetes.
    pub fn from_json(value: &Value) -> Result<Self, QuantityError> {
        match value {
            Value::String(text) => text.parse(),
            Value::Number(number) => number.to_string().parse(),
            Value::Null => Ok(Self::default()),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(QuantityError::WrongType),
        }
    }

    /// The number of units, or none if there is a fraction.
    pub fn whole(self) -> Option<i64> {
        if self.nanos % NANO == 0 { i64::try_from(self.nanos / NANO).ok() } else { None }
    }

    /// The number of units, a fraction rounded up, away from zero.
    pub fn rounded_up(self) -> i64 {
        let rest = self.nanos % NANO;
        let units = self.nanos / NANO + rest.signum();
        i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        if text.len() > MAX_LENGTH {
            return Err(QuantityError::TooLong(text.len()));
        }
        let malformed = || QuantityError::Malformed(text.to_owned());
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at_checked(end).ok_or_else(malformed)?;
        let (units, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits: Vec<i128> =
            units.chars().chain(fraction.chars()).filter_map(|c| c.to_digit(10)).map(i128::from).collect();
        if digits.is_empty() || fraction.contains('.') {
            return Err(malformed());
        }
        let (factor, exponent) = scale(suffix).ok_or_else(malformed)?;
        let point = i64::try_from(units.len()).unwrap_or(i64::MAX).saturating_add(exponent);
        let nanos = nanos(&digits, point, factor * NANO).filter(|nanos| *nanos <= MAX);
        let nanos = nanos.ok_or_else(|| QuantityError::Overflow(text.to_owned()))?;
        Ok(Self { nanos: if negative { -nanos } else { nanos } })
    }
}

/// What a suffix means: a factor, and an exponent of ten.
fn scale(suffix: &str) -> Option<(i128, i64)> {
    Some(match suffix {
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "" => (1, 0),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        _ => (1, suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    })
}

/// `factor` times the number that these digits are, with the decimal point before the digit of number `point`; what is finer
/// than one is rounded up. None if it does not fit.
fn nanos(digits: &[i128], point: i64, factor: i128) -> Option<i128> {
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    let digits = digits.get(zeros..)?;
    if digits.is_empty() {
        return Some(0);
    }
    let point = point.saturating_sub(i64::try_from(zeros).ok()?);
    let before = usize::try_from(point).unwrap_or(0);

    let mut units: i128 = 0;
    // However far away the point is: the first digit is not zero, so this ends with an overflow soon.
    for digit in digits.iter().copied().chain(std::iter::repeat(0)).take(before) {
        units = units.checked_mul(10)?.checked_add(digit)?;
    }
    // From the last digit on: rounding down at each step gives the same as once at the end.
    let (mut fraction, mut inexact) = (0, false);
    for digit in digits.get(before..).unwrap_or_default().iter().rev() {
        let tenfold = digit * factor + fraction;
        (fraction, inexact) = (tenfold / 10, inexact || tenfold % 10 != 0);
    }
    for _ in point..0 {
        if fraction == 0 {
            break;
        }
        (fraction, inexact) = (fraction / 10, inexact || fraction % 10 != 0);
    }
    units.checked_mul(factor)?.checked_add(fraction)?.checked_add(i128::from(inexact))
}

/// A number of bytes as Kubernetes writes it: with the largest of Ki, Mi, … that divides it. Below 1024 there is only `1k`.
pub fn bytes(number: i64) -> String {
    const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    if number.abs_diff(0) < 1024 {
        return if number != 0 && number % 1000 == 0 {
            format!("{}k", number / 1000)
        } else {
            number.to_string()
        };
    }
    let (mut rest, mut suffix) = (number, "");
    for next in BINARY.iter().skip(1) {
        if rest % 1024 != 0 {
            break;
        }
        (rest, suffix) = (rest / 1024, next);
    }
    format!("{rest}{suffix}")
}
