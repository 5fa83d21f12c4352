//! Bytes as text of one line: `\n`, `\t`, `\\`, `\xNN`, everything else as it is.

use std::fmt::Write as _;

/// The bytes that `text` stands for, or what is wrong with it.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let mut letters = escape.chars();
        match letters.next() {
            Some('n') => bytes.push(b'\n'),
            Some('t') => bytes.push(b'\t'),
            Some('\\') => bytes.push(b'\\'),
            Some('x') => {
                let byte = escape.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
                bytes.push(
                    byte.ok_or_else(|| format!("expected two hexadecimal digits after \\x in {text:?}"))?,
                );
                letters = escape.get(3..).unwrap_or_default().chars();
            }
            _ => {
                return Err(format!(
                    "expected one of \\n \\t \\\\ \\xNN in {text:?}; write \\\\ for a backslash"
                ));
            }
        }
        rest = letters.as_str();
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// The shortest readable text that [`decode`] turns into `bytes`. Blanks are escaped where `blanks` says so.
pub(super) fn encode(bytes: &[u8], blanks: Blanks) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\\' => text.push_str("\\\\"),
                ' ' if blanks == Blanks::All => text.push_str("\\x20"),
                // Other white space would be lost at the ends of a line and not be seen within it.
                _ if letter.is_control() || (letter != ' ' && letter.is_whitespace()) => {
                    let mut utf8 = [0; 4];
                    hex(&mut text, letter.encode_utf8(&mut utf8).as_bytes());
                }
                _ => text.push(letter),
            }
        }
        hex(&mut text, chunk.invalid());
    }
    if text.ends_with(' ') {
        text.pop();
        text.push_str("\\x20");
    }
    if let Some(rest) = text.strip_prefix(' ') {
        text = format!("\\x20{rest}");
    }
    text
}

/// Which blanks [`encode`] escapes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Blanks {
    /// All: the text is one word of a line.
    All,
    /// The first and the last: the text is the rest of a line.
    Ends,
}

fn hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_survive_encoding_and_decoding_on_one_line() {
        let all: Vec<u8> = (0..=255).chain("ein Ümlaut \u{a0} ".bytes()).collect();
        for blanks in [Blanks::All, Blanks::Ends] {
            let text = encode(&all, blanks);
            assert_eq!(text.trim(), text);
            assert!(!text.contains(char::is_control));
            assert_eq!(decode(&text).unwrap(), all);
        }
        assert!(!encode(&all, Blanks::All).contains(' '));
        for ends in [" ", "  ", " a ", "\\", "\n"] {
            assert_eq!(decode(encode(ends.as_bytes(), Blanks::Ends).trim()).unwrap(), ends.as_bytes());
        }
    }

    #[test]
    fn a_bad_escape_says_what_was_expected() {
        for bad in ["\\", "a\\", "\\q", "\\x", "\\x4", "\\xg0", "\\x\u{fc}"] {
            let message = decode(bad).unwrap_err();
            assert!(message.starts_with("expected"), "{bad:?}: {message}");
        }
    }
}
