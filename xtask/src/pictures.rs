//! `cargo xtask pictures`: what a terminal shows, as pictures. The texts in `docs/pictures` are what tests compare with what the
//! programs print; a line that begins with `$ ` is a command.

use std::fs;
use std::path::{Path, PathBuf};

use crate::root;
use crate::version::tracked;

const FOLDER: &str = "docs/pictures";

/// In pixels; fonts for terminals are about 0.6 of their size wide.
const FONT: u32 = 13;
const COLUMN_TENTHS: u32 = 80;
const LINE: u32 = 19;
const MARGIN: u32 = 16;

/// Dark where the reader's other pages are.
const STYLE: &str = "\
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#24292f;white-space:pre}\
rect{fill:#f6f8fa;stroke:#d0d7de}.c{fill:#0550ae;font-weight:600}.p{fill:#57606a}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#161b22;stroke:#30363d}.c{fill:#79c0ff}.p{fill:#8b949e}}";

/// Writes the picture of each text.
pub(crate) fn run() -> Result<(), String> {
    for (path, picture) in pictures()? {
        fs::write(root().join(&path), picture).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Pictures that are not those of their texts.
pub(crate) fn check() -> Result<Vec<String>, String> {
    let differs = |(path, picture): &(PathBuf, String)| {
        fs::read_to_string(root().join(path)).ok().as_ref() != Some(picture)
    };
    let pictures = pictures()?.into_iter().filter(differs);
    Ok(pictures
        .map(|(path, _)| format!("{} is not as cargo xtask pictures makes it", path.display()))
        .collect())
}

fn pictures() -> Result<Vec<(PathBuf, String)>, String> {
    let of_text = |path: PathBuf| {
        let text =
            fs::read_to_string(root().join(&path)).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok((path.with_extension("svg"), picture(title(&path), &text)))
    };
    tracked(&[&format!("{FOLDER}/*.txt")])?.into_iter().map(of_text).collect()
}

/// What readers who cannot see the picture hear.
fn title(path: &Path) -> &str {
    match path.file_stem().and_then(|name| name.to_str()) {
        Some("simulate") => {
            "intel-device-plugins simulate shows what a laptop's GPU and NPU would be offered as"
        }
        Some("pod") => "A pod asks for a GPU, and sees that GPU and no other",
        _ => "A terminal",
    }
}

fn picture(title: &str, text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let columns = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let (columns, rows) =
        (u32::try_from(columns).unwrap_or(u32::MAX), u32::try_from(lines.len()).unwrap_or(u32::MAX));
    let width = columns.saturating_mul(COLUMN_TENTHS) / 10 + 2 * MARGIN;
    let height = rows.saturating_mul(LINE) + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\"><title>{}</title><style>{STYLE}</style>\n\
         <rect x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        escaped(title),
        width - 1,
        height - 1,
    );
    for (row, line) in (0..).zip(&lines) {
        let y = MARGIN + row * LINE + FONT;
        let shown = match line.strip_prefix("$ ") {
            Some(command) => {
                format!("<tspan class=\"p\">$ </tspan><tspan class=\"c\">{}</tspan>", escaped(command))
            }
            None => escaped(line),
        };
        if !shown.is_empty() {
            svg.push_str(&format!("<text x=\"{MARGIN}\" y=\"{y}\" xml:space=\"preserve\">{shown}</text>\n"));
        }
    }
    svg + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_each_line_where_a_terminal_has_it() {
        let svg = picture("a & b", "$ run <x>\n\n  a  b…\n");
        assert!(svg.contains("<title>a &amp; b</title>"), "{svg}");
        assert!(svg.contains(">$ </tspan><tspan class=\"c\">run &lt;x&gt;</tspan></text>"), "{svg}");
        assert!(svg.contains("y=\"67\" xml:space=\"preserve\">  a  b…</text>"), "{svg}");
        assert_eq!(svg.matches("<text ").count(), 2, "an empty line needs no text");
        assert!(svg.contains("width=\"104\" height=\"89\""), "9 columns and 3 rows: {svg}");
    }
}
