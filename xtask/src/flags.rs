//! Flags of the command line.

/// Reads `--flag VALUE` and `--flag=VALUE`.
pub(crate) fn pairs<'a>(args: &[&'a str]) -> Result<Vec<(&'a str, String)>, String> {
    let mut words = args.iter().flat_map(|word| match word.split_once('=') {
        Some((flag, value)) if word.starts_with("--") => vec![flag, value],
        _ => vec![*word],
    });
    let mut pairs = Vec::new();
    while let Some(flag) = words.next() {
        let value = words.next().filter(|value| !value.is_empty());
        pairs.push((flag, value.ok_or_else(|| format!("{flag} needs a value"))?.to_owned()));
    }
    Ok(pairs)
}
