//! `cargo xtask reference`: the pages that are made of other files, which tests keep as the programs have them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::root;

/// The pages, from the root.
const FLAGS: &str = "docs/flags.md";
const OBJECTS: &str = "docs/objects.md";

/// Usage texts by what they are of, in the order of the page.
const USAGES: &[(&str, &str)] = &[
    ("GPU plugin", "devices/gpu/plugin/tests/golden/usage.txt"),
    ("NPU plugin", "devices/npu/plugin/tests/golden/usage.txt"),
    ("QAT plugin", "node/tests/golden/usage/qat.txt"),
    ("DSA plugin", "devices/idxd/plugin/tests/golden/usage-dsa.txt"),
    ("IAA plugin", "devices/idxd/plugin/tests/golden/usage-iaa.txt"),
    ("DLB plugin", "node/tests/golden/usage/dlb.txt"),
    ("SGX plugin", "devices/sgx/plugin/tests/golden/usage.txt"),
    ("FPGA plugin", "devices/fpga/plugin/tests/golden/usage.txt"),
    ("All families in one process", "node/tests/golden/usage/node.txt"),
    ("Plans", "node/tests/golden/usage/plan.txt"),
    ("Setup of QAT", "node/tests/golden/usage/setup-qat.txt"),
    ("Setup of DSA", "devices/idxd/plugin/tests/golden/setup/usage-dsa.txt"),
    ("Setup of IAA", "devices/idxd/plugin/tests/golden/setup/usage-iaa.txt"),
    ("Setup of DLB", "node/tests/golden/usage/setup-dlb.txt"),
    ("Who has which device", "node/tests/golden/usage/top.txt"),
    ("Recordings", "node/tests/golden/usage/record.txt"),
    ("Checks of a node", "node/tests/golden/usage/doctor.txt"),
    ("What to send with a report", "node/tests/golden/usage/bundle.txt"),
    ("Simulated nodes", "node/tests/golden/usage/simulate.txt"),
    ("Simulated GPUs", "node/tests/golden/usage/gpu-fakedev.txt"),
    ("Labels of GPUs", "node/tests/golden/usage/gpu-labels.txt"),
    ("XeLink sidecar", "node/tests/golden/usage/xelink-sidecar.txt"),
    ("Enclave memory", "node/tests/golden/usage/sgx-epc.txt"),
    ("FPGA hook", "node/tests/golden/usage/fpga-hook.txt"),
    ("FPGA tool", "node/tests/golden/usage/fpga-tool.txt"),
    ("Install the FPGA's hook and tool", "node/tests/golden/usage/install-fpga.txt"),
    ("Install the hook of GPU labels", "node/tests/golden/usage/install-gpu-labels.txt"),
    ("Install the hook of enclave memory", "node/tests/golden/usage/install-sgx-epc.txt"),
    ("Operator", "operator/tests/golden/operator.txt"),
    ("Webhook of SGX, and of FPGA", "operator/tests/golden/webhook-sgx.txt"),
];

/// Where the definitions of custom resources are.
const DEFINITIONS: [&str; 2] =
    ["deployments/operator/crd/bases", "deployments/fpga_admissionwebhook/crd/bases"];

/// Writes the pages.
pub(crate) fn run() -> Result<(), String> {
    for (path, page) in pages()? {
        fs::write(root().join(path), page).map_err(|error| format!("cannot write {path}: {error}"))?;
    }
    Ok(())
}

/// The pages with their paths.
pub(crate) fn pages() -> Result<[(&'static str, String); 2], String> {
    let usages = USAGES.iter().map(|(title, path)| Ok((*title, read(Path::new(path))?)));
    let mut definitions = Vec::new();
    for folder in DEFINITIONS {
        let entries = fs::read_dir(root().join(folder)).map_err(|error| format!("{folder}: {error}"))?;
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort_unstable();
        for path in paths {
            let text = read(&path)?;
            let parsed = serde_saphyr::from_str(&text);
            definitions.push(parsed.map_err(|error| format!("{}: {error}", path.display()))?);
        }
    }
    Ok([(FLAGS, flags(&usages.collect::<Result<Vec<_>, String>>()?)), (OBJECTS, objects(&definitions))])
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(root().join(path)).map_err(|error| format!("{}: {error}", path.display()))
}

const MADE: &str = "<!-- Made by cargo xtask reference. -->\n";

/// The page of flags. Sections that several programs have are there once.
fn flags(usages: &[(&str, String)]) -> String {
    let mut page = format!(
        "# Flags\n\n{MADE}\nWhat `-h` of each program says. One dash or two are the same. All plugins have the common flags and \
         those of the log, which stand at the end, as what else several programs have.\n"
    );
    let mut shared: Vec<&str> = Vec::new();
    let sections =
        |usage: &'_ str| -> Vec<String> { usage.trim_end().split("\n\n").map(str::to_owned).collect() };
    let all: Vec<(&str, Vec<String>)> =
        usages.iter().map(|(title, usage)| (*title, sections(usage))).collect();
    let count =
        |wanted: &str| all.iter().flat_map(|(_, sections)| sections).filter(|one| *one == wanted).count();
    for (title, sections) in &all {
        let (common, own): (Vec<_>, Vec<_>) = sections.iter().partition(|section| {
            section.lines().next().is_some_and(|heading| heading.ends_with(" flags:")) && count(section) > 1
        });
        let _ = write!(page, "\n## {title}\n\n```text\n");
        page.push_str(&own.iter().map(|section| section.as_str()).collect::<Vec<_>>().join("\n\n"));
        page.push_str("\n```\n");
        for section in common {
            if !shared.contains(&section.as_str()) {
                shared.push(section);
            }
        }
    }
    for section in shared {
        let (heading, rest) = section.split_once('\n').unwrap_or((section, ""));
        let _ = write!(page, "\n## {}\n\n```text\n{rest}\n```\n", heading.trim_end_matches(':'));
    }
    page
}

/// A field of an object as a row of a table.
type Row = String;

/// The page of custom resources. What all of a group's kinds have is there once.
fn objects(definitions: &[Value]) -> String {
    let mut page = format!(
        "# Custom resources\n\n{MADE}\nFields of the objects, from their definitions. `kubectl explain KIND.spec` says the same.\n"
    );
    let kinds: Vec<Kind> = definitions.iter().map(Kind::of).collect();
    let mut groups: Vec<&str> = Vec::new();
    for kind in &kinds {
        if !groups.contains(&kind.group.as_str()) {
            groups.push(&kind.group);
        }
    }
    for group in groups {
        let kinds: Vec<&Kind> = kinds.iter().filter(|kind| kind.group == group).collect();
        let mut common: BTreeSet<&Row> =
            kinds.first().map(|kind| kind.rows.iter().collect()).unwrap_or_default();
        common.retain(|row| kinds.len() > 2 && kinds.iter().all(|kind| kind.rows.contains(row)));
        for kind in &kinds {
            let _ = write!(page, "\n## {}\n\n{}\n", kind.name, kind.about);
            table(&mut page, kind.rows.iter().filter(|row| !common.contains(row)));
            for rule in &kind.rules {
                let _ = write!(page, "\n- {rule}");
            }
            if !kind.rules.is_empty() {
                page.push('\n');
            }
        }
        if !common.is_empty() {
            let _ = write!(page, "\n## All kinds of {group}\n");
            table(
                &mut page,
                kinds.iter().take(1).flat_map(|kind| &kind.rows).filter(|row| common.contains(row)),
            );
        }
    }
    page
}

fn table<'a>(page: &mut String, rows: impl Iterator<Item = &'a Row>) {
    page.push_str("\n| field | type | what it is |\n|---|---|---|\n");
    rows.for_each(|row| page.push_str(row));
}

/// A custom resource.
struct Kind {
    group: String,
    name: String,
    about: String,
    rows: Vec<Row>,
    /// What is refused, in words.
    rules: Vec<String>,
}

impl Kind {
    fn of(definition: &Value) -> Self {
        let text = |at: &str| definition.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let schema = "/spec/versions/0/schema/openAPIV3Schema";
        let version = text("/spec/versions/0/name");
        let mut kind = Self {
            group: text("/spec/group"),
            name: text("/spec/names/kind"),
            about: String::new(),
            rows: Vec::new(),
            rules: Vec::new(),
        };
        let scope = if text("/spec/scope") == "Cluster" { "without a namespace" } else { "of a namespace" };
        kind.about = format!(
            "{} `{}/{version}`, {scope}.",
            plain(&text(&format!("{schema}/description"))),
            kind.group
        );
        for part in ["spec", "status"] {
            if let Some(schema) = definition.pointer(&format!("{schema}/properties/{part}")) {
                kind.add(part, schema);
            }
        }
        kind
    }

    /// Adds the fields of an object and of the objects in it.
    fn add(&mut self, path: &str, schema: &Value) {
        let rules = schema.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten();
        self.rules.extend(rules.filter_map(|rule| Some(plain(rule.get("message")?.as_str()?))));
        let required = schema.get("required").and_then(Value::as_array);
        for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let path = format!("{path}.{name}");
            let needed = required.is_some_and(|names| names.iter().any(|one| one == name));
            let needed = if needed { ", required" } else { "" };
            let about = plain(field.get("description").and_then(Value::as_str).unwrap_or_default());
            self.rows.push(format!("| `{path}` | {}{needed} | {about} |\n", type_of(field)));
            self.add(&path, field);
        }
    }
}

/// In a cell of a table.
fn type_of(field: &Value) -> String {
    let text = |name: &str| field.get(name).and_then(Value::as_str);
    if let Some(values) = field.get("enum").and_then(Value::as_array) {
        let shown = values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`"));
        return shown.collect::<Vec<_>>().join(", ");
    }
    let kind = match text("type") {
        Some("object") if field.get("additionalProperties").is_some() => "map",
        Some("array") => "list",
        other => other.unwrap_or("any"),
    };
    let bound = |name: &str| field.get(name).and_then(Value::as_i64);
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => format!("{kind}, {least} to {most}"),
        (Some(least), None) => format!("{kind}, {least} or more"),
        (None, Some(most)) => format!("{kind}, at most {most}"),
        (None, None) => kind.to_owned(),
    }
}

/// A text of several lines as one that can stand in a table.
fn plain(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sections_that_programs_share_stand_once() {
        let usage = |name: &str, logs: &str| {
            format!("Usage: {name} [flags]\n\nFlags:\n  -a\n        an a\n\nLogging flags:\n  {logs}\n")
        };
        let usages =
            [("One", usage("one", "-v")), ("Two", usage("two", "-v")), ("Three", usage("three", "-w"))];
        let page = flags(&usages);
        let one = "## One\n\n```text\nUsage: one [flags]\n\nFlags:\n  -a\n        an a\n```\n";
        assert!(page.contains(one), "{page}");
        assert!(
            page.contains("  -a\n        an a\n\nLogging flags:\n  -w\n```\n"),
            "what only one has stays there: {page}"
        );
        assert!(page.ends_with("## Logging flags\n\n```text\n  -v\n```\n"), "{page}");
    }

    #[test]
    fn fields_are_rows_and_those_of_all_kinds_stand_once() {
        let definition = |kind: &str, own: &str| {
            json!({"spec": {"group": "g", "scope": "Cluster", "names": {"kind": kind}, "versions": [{"name": "v1", "schema": {
            "openAPIV3Schema": {"description": "Of a\ntest.", "properties": {"spec": {
                "required": [own], "x-kubernetes-validations": [{"message": "too much"}], "properties": {
                    own: {"type": "integer", "minimum": 1, "description": "a|b"},
                    "mode": {"type": "string", "enum": ["x", "y"], "description": "How."},
                    "deep": {"type": "object", "properties": {"er": {"type": "array"}}},
                }}}}}}]}})
        };
        let page = objects(&[definition("A", "a"), definition("B", "b"), definition("C", "c")]);
        let b = "## B\n\nOf a test. `g/v1`, without a namespace.\n\n| field | type | what it is |\n|---|---|---|\n\
                 | `spec.b` | integer, 1 or more, required | a\\|b |\n\n- too much\n";
        assert!(page.contains(b), "{page}");
        let all = "## All kinds of g\n\n| field | type | what it is |\n|---|---|---|\n| `spec.deep` | object |  |\n\
                   | `spec.deep.er` | list |  |\n| `spec.mode` | `x`, `y` | How. |\n";
        assert!(page.ends_with(all), "{page}");
    }
}
