//! What is an address, an id or a key by its form, whatever stands around it.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::placeholder_length;

/// Longer runs of letters of both cases and digits are keys.
const LONGEST_WORD: usize = 48;
/// At the end of a longer run of letters a key would have shown at its beginning; asked at each place, a line of 1 MiB would take 15 minutes.
const LONGEST_END: usize = 512;

/// Whether what follows goes on with a word; the letter of an escape such as `\n` or `\u001b` is none.
pub(super) fn ends_in_word(text: &str) -> bool {
    let is_escape = |length: usize, letters: &str| {
        let start = text.len().checked_sub(length).and_then(|at| text.get(at..)).unwrap_or_default();
        start.strip_prefix('\\').is_some_and(|rest| rest.starts_with(|letter| letters.contains(letter)))
    };
    text.ends_with(char::is_alphanumeric) && !is_escape(2, "nrtbf") && !is_escape(6, "u")
}

fn ends_in_placeholder(text: &str) -> bool {
    let start = if text.ends_with('>') { text.rfind('<') } else { None };
    let last = start.and_then(|at| text.get(at..)).unwrap_or_default();
    placeholder_length(last) == Some(last.len())
}

/// How long the thing is that `text` begins with, and what kind of thing; without a kind it is left as it is.
pub(super) fn form_of(text: &str, before: &str) -> Option<(usize, Option<&'static str>)> {
    if before.ends_with("://")
        && let Some(length) = user_and_password(text)
    {
        return Some((length, Some("secret")));
    }
    // It may follow any letter: `pod` and the id of the pod.
    if let Some(length) = uuid(text) {
        return Some((length, Some("uuid")));
    }
    // A port may follow an address that was taken out.
    if ends_in_word(before) || (text.starts_with(':') && ends_in_placeholder(before)) {
        return None;
    }
    if let Some(length) = mac(text) {
        return Some((length, Some("mac")));
    }
    if let Some((length, is_own)) = ipv6(text).or_else(|| ipv4(text)) {
        return Some((length, (!is_own).then_some("ip")));
    }
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "_-.+=".contains(letter);
    let end = if before.ends_with(is_part) { text.floor_char_boundary(LONGEST_END + 1) } else { text.len() };
    let word = text
        .get(..run(text.get(..end)?, is_part))
        .filter(|word| end == text.len() || word.len() <= LONGEST_END)?;
    let word = word.trim_end_matches(['.', '-', '=']);
    is_key(word).then_some((word.len(), Some("secret")))
}

/// So many bytes are of letters like these.
fn run(text: &str, is_part: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !is_part(letter)).unwrap_or(text.len())
}

/// The length of what stands before the `@` in an address of the web.
fn user_and_password(text: &str) -> Option<usize> {
    let length = run(text, |letter| !letter.is_whitespace() && !"/?#@<>\"'".contains(letter));
    let is_it = text.get(..length)?.contains(':') && goes_on(text, length, |letter| letter == '@');
    is_it.then_some(length)
}

/// The length of groups of 8, 4, 4, 4 and 12 hexadecimal digits with the same separator between them.
fn uuid(text: &str) -> Option<usize> {
    let bytes = text.as_bytes().get(..36)?;
    let separator = bytes.get(8).copied().filter(|byte| b"-_".contains(byte))?;
    let is_part = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == separator,
        _ => byte.is_ascii_hexdigit(),
    };
    (bytes.iter().enumerate().all(is_part) && !goes_on(text, 36, |letter| letter.is_ascii_hexdigit()))
        .then_some(36)
}

/// The length of six pairs of hexadecimal digits or more: before the address of a card may be its kind, as in `BOOTIF=01-52-…`.
fn mac(text: &str) -> Option<usize> {
    let separator = text.chars().nth(2).filter(|letter| ":-".contains(*letter))?;
    let (mut length, mut pairs) = (0, 0);
    loop {
        let rest = text.get(length..).unwrap_or_default();
        let rest = if pairs == 0 { Some(rest) } else { rest.strip_prefix(separator) };
        let Some(rest) = rest.filter(|rest| run(rest, |letter| letter.is_ascii_hexdigit()) == 2) else {
            break;
        };
        if pairs >= 6 && ipv4(rest).is_some() {
            break;
        }
        length = text.len() - rest.len() + 2;
        pairs += 1;
    }
    (pairs >= 6).then_some(length)
}

/// The length of an address, and whether every machine has it.
fn ipv4(text: &str) -> Option<(usize, bool)> {
    let (mut length, mut numbers) = (0, [0; 4]);
    for (place, number) in numbers.iter_mut().enumerate() {
        length += usize::from(place > 0);
        let rest = text.get(length..)?;
        let digits = rest.get(..run(rest, |letter| letter.is_ascii_digit()))?;
        *number = digits.parse::<u8>().ok()?;
        length += digits.len();
        if place < 3 && !text.get(length..)?.starts_with('.') {
            return None;
        }
    }
    let address = Ipv4Addr::from(numbers);
    Some((length, address.is_loopback() || address.is_unspecified()))
}

/// The same, of the longest address that the text begins with.
fn ipv6(text: &str) -> Option<(usize, bool)> {
    /// `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`
    const LONGEST: usize = 45;
    let start = text.get(..text.floor_char_boundary(LONGEST))?;
    let longest = run(start, |letter| letter.is_ascii_hexdigit() || ":.".contains(letter));
    let is_end = |end: &usize| !goes_on(text, *end, char::is_alphanumeric);
    (2..=longest).rev().filter(is_end).find_map(|end| {
        let address: Ipv6Addr = text.get(..end)?.parse().ok()?;
        Some((end, address.is_loopback() || address.is_unspecified()))
    })
}

/// Whether there is such a letter at this place.
pub(super) fn goes_on(text: &str, at: usize, with: impl Fn(char) -> bool) -> bool {
    text.get(at..).is_some_and(|rest| rest.starts_with(with))
}

/// Whether it is the token of an account, the one a node joins a cluster by, or random.
fn is_key(word: &str) -> bool {
    let has = |is_it: fn(&u8) -> bool| word.bytes().any(|byte| is_it(&byte));
    let is_join = word.split_once('.').is_some_and(|(id, key)| {
        let is_part =
            |part: &str| part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        id.len() == 6 && key.len() == 16 && is_part(id) && is_part(key)
    });
    let is_random = word.split('.').any(|part| part.len() >= LONGEST_WORD)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_digit);
    is_join || is_random || (word.starts_with("eyJ") && word.len() >= 16)
}
