//! Code in documents that is quoted from the repository: it must be there as it is written, so that it is compiled and tested.

use std::path::Path;

/// What is wrong with the quotes of a document, by line. A quote is a block of code whose first line is `// PATH`, from `root`;
/// indentation that all of its lines lack does not matter.
pub(crate) fn check(root: &Path, text: &str) -> Vec<(usize, String)> {
    let mut offences = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        if !line.trim_start().starts_with("```") {
            continue;
        }
        let block: Vec<&str> = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| !line.trim_start().starts_with("```"))
            .collect();
        let Some((path, quote)) = block.split_first().and_then(|(first, quote)| Some((path(first)?, quote)))
        else {
            continue;
        };
        match std::fs::read_to_string(root.join(path)) {
            Err(error) => offences.push((number, format!("the code of {path} cannot be compared: {error}"))),
            Ok(code) if !contains(&code, quote) => {
                offences.push((number, format!("{path} has no such lines")));
            }
            Ok(_) => {}
        }
    }
    offences
}

/// The path of a line such as `// crates/host/src/lib.rs`.
fn path(line: &str) -> Option<&str> {
    let path = line.strip_prefix("// ")?;
    (path.contains('/') && !path.contains(' ')).then_some(path)
}

/// Whether the lines follow each other in the code, all of them further in by the same or not.
fn contains(code: &str, quote: &[&str]) -> bool {
    let code: Vec<&str> = code.lines().collect();
    code.windows(quote.len().max(1)).any(|window| {
        let first = window.first().zip(quote.first());
        let indent = first
            .and_then(|(line, wanted)| line.strip_suffix(wanted))
            .filter(|indent| indent.trim().is_empty());
        indent.is_some_and(|indent| {
            window
                .iter()
                .zip(quote)
                .all(|(line, wanted)| line.strip_prefix(indent).unwrap_or(line) == *wanted)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_that_are_not_in_the_code_are_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("src")).unwrap();
        std::fs::write(
            folder.path().join("src/a.rs"),
            "impl A {\n    fn a() {\n        b();\n\n        c();\n    }\n}\n",
        )
        .unwrap();
        let check = |code: &str| {
            let found = check(folder.path(), &format!("Text.\n\n```rust,ignore\n{code}\n```\n"));
            found.into_iter().map(|(line, what)| format!("{line} {what}")).collect::<Vec<_>>()
        };
        for good in [
            "// src/a.rs\nfn a() {\n    b();\n\n    c();\n}",
            "// src/a.rs\nimpl A {\n    fn a() {",
            "not_quoted();",
            "// a comment of a/sketch\nfn z() {}",
        ] {
            assert_eq!(check(good), [""; 0], "{good}");
        }
        assert_eq!(check("// src/a.rs\nfn a() {\n    c();\n}"), ["3 src/a.rs has no such lines"]);
        assert_eq!(check("// src/a.rs\nfn a() {\nb();"), ["3 src/a.rs has no such lines"]);
        assert!(
            check("// src/none.rs\nfn a()")
                .concat()
                .starts_with("3 the code of src/none.rs cannot be compared: ")
        );
    }
}
