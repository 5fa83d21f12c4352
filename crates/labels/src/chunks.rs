//! Long texts as several values of labels.

use crate::LabelError;

/// What each chunk but the first begins with: it may have been cut before a character that begins no value.
const CONTINUED: &str = "Z";

/// Cuts `text` into values of at most `max` bytes, each after the last letter or digit (of ASCII) that fits, so that each
/// ends with one. All but the first begin with a `Z` that is not of the text. An empty text is one empty chunk.
///
/// Only the end of the last chunk is as the text has it.
///
/// # Errors
/// A stretch of the text as long as a chunk has no letter or digit, or `max` has no room for one behind the `Z`.
pub fn chunks(text: &str, max: usize) -> Result<Vec<String>, LabelError> {
    if max <= CONTINUED.len() {
        return Err(LabelError::NoRoom { max });
    }
    let mut chunks = Vec::new();
    let (mut rest, mut prefix, mut room) = (text, "", max);
    while rest.len() > room {
        let fits = rest.as_bytes().get(..room).unwrap_or_default();
        let last = fits.iter().rposition(u8::is_ascii_alphanumeric);
        // The end of an ASCII character is one of a character in any text.
        let cut = last.and_then(|last| rest.split_at_checked(last + 1));
        let Some((chunk, after)) = cut else { return Err(LabelError::uncut(rest)) };
        chunks.push(format!("{prefix}{chunk}"));
        (rest, prefix, room) = (after, CONTINUED, max - CONTINUED.len());
    }
    chunks.push(format!("{prefix}{rest}"));
    Ok(chunks)
}
