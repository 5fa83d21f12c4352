//! The name that a misspelt one may have meant.

/// The known name that is the fewest edits away from `name`, if that is near enough to be meant.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = 1 + name.len() / 4;
    known
        .filter(|known| known.len().abs_diff(name.len()) <= limit)
        .map(|known| (edits(name.as_bytes(), known.as_bytes()), known))
        // Replacing every letter makes anything of anything.
        .filter(|(edits, _)| *edits <= limit && *edits < name.len())
        .min()
        .map(|(_, known)| known)
}

/// How many bytes must be inserted, removed or replaced to turn `from` into `to` (Levenshtein distance).
fn edits(from: &[u8], to: &[u8]) -> usize {
    // costs[j] is the distance between what was read of `from` and the first j bytes of `to`.
    let mut costs: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = costs.first_mut() {
            *first = left;
        }
        for (cost, b) in costs.iter_mut().skip(1).zip(to) {
            let replaced = diagonal + usize::from(a != b);
            diagonal = *cost;
            left = replaced.min(left + 1).min(*cost + 1);
            *cost = left;
        }
    }
    costs.last().copied().unwrap_or_default()
}
