//! The file `values.yaml` of a chart, with its comments.

use serde_json::Value;

use crate::{read, yaml};

/// A value that can be set, or a group of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its names, from the outermost on: `image`, `tag`.
    pub path: Vec<String>,
    /// What it is when nobody sets it; `None` for a group.
    pub default: Option<Value>,
    /// The comment above it.
    pub description: String,
}

/// All values of a chart, in the file's order. A mapping is a group if its first entry has a comment, and else one value.
pub fn values(chart: &str) -> Vec<Entry> {
    let file = format!("charts/{chart}/values.yaml");
    let (text, defaults) = (read(&file), yaml(&file));
    let lines: Vec<&str> = text.lines().collect();
    let (mut entries, mut path, mut comment) = (Vec::new(), Vec::<String>::new(), Vec::new());
    // The indentation of the value that goes on below its line.
    let mut inside = None;
    for (index, line) in lines.iter().enumerate() {
        let (indent, content) = (line.len() - line.trim_start().len(), line.trim_start());
        if content.is_empty() || inside.is_some_and(|outer| indent > outer) {
            continue;
        }
        inside = None;
        if let Some(text) = content.strip_prefix("# ") {
            comment.push(text);
            continue;
        }
        let (name, _) = content.split_once(':').unwrap_or_else(|| panic!("{file}: {line}"));
        path.truncate(indent / 2);
        path.push(name.to_owned());
        let is_group = content.ends_with(':') && lines[index + 1].trim_start().starts_with("# ");
        let default = path.iter().fold(&defaults, |value, name| &value[name]);
        entries.push(Entry {
            path: path.clone(),
            default: (!is_group).then(|| default.clone()),
            description: comment.join(" "),
        });
        comment.clear();
        inside = (!is_group).then_some(indent);
    }
    entries
}

/// The values as a table in Markdown.
pub fn table(chart: &str) -> String {
    let rows = values(chart).into_iter().filter(|entry| !entry.description.is_empty());
    let row = |entry: Entry| {
        let default = entry.default.map(|default| format!("`{default}`")).unwrap_or_default();
        format!("| `{}` | {default} | {} |\n", entry.path.join("."), entry.description.replace('|', "\\|"))
    };
    format!("| value | default | |\n|---|---|---|\n{}", rows.map(row).collect::<String>())
}
