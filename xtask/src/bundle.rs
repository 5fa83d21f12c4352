//! `cargo xtask bundle`: the operator as a bundle for Operator Lifecycle Manager, made of `deployments`. The same sources give the
//! same files. Their format: <https://olm.operatorframework.io/docs/tasks/creating-operator-bundle>.

#![expect(clippy::indexing_slicing, reason = "what a JSON value lacks is null")]

mod csv;
mod options;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::images::Commit;
use crate::images::archive::{Entry, compress, pack};
use crate::{root, target};

pub(crate) use options::Options;

/// The name of the package in catalogs: the Go implementation's.
const PACKAGE: &str = "intel-device-plugins-operator";
const CHANNEL: &str = "stable";
/// Before the names of the operator's objects, as in `deployments/operator/default`.
const PREFIX: &str = "intel-deviceplugins-";
const OPERATOR: &str = "deployments/operator";
/// Folders with definitions of custom resources.
const DEFINITIONS: [&str; 2] =
    ["deployments/operator/crd/bases", "deployments/fpga_admissionwebhook/crd/bases"];
/// What `operator-sdk scorecard` is to look at.
const SCORECARD: &str = include_str!("bundle/scorecard.yaml");
/// Objects that the bundle has beside the operator, from `deployments/operator`.
const OBJECTS: [&str; 3] =
    ["manager/metrics_service.yaml", "manager/disruption_budget.yaml", "rbac/metrics_reader_role.yaml"];

/// Writes the bundle's folder.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let output = options.output.clone().unwrap_or_else(|| target().join("bundle"));
    let failed = |path: &Path, error| format!("{}: {error}", path.display());
    // Files of another version have other names.
    match fs::remove_dir_all(&output) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(&output, error)),
        _ => {}
    }
    for (name, text) in files(options, &Commit::find()?.created)? {
        let path = output.join(name);
        let folder = path.parent().unwrap_or(&output);
        fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        fs::write(&path, text).map_err(|error| failed(&path, error))?;
    }
    println!("in {}", fs::canonicalize(&output).unwrap_or(output).display());
    Ok(())
}

/// The bundle in an archive, below this folder.
pub(crate) fn archive(options: &Options, folder: &str) -> Result<Vec<u8>, String> {
    let files = files(options, &Commit::find()?.created)?.into_iter();
    let tree =
        files.map(|(name, text)| (format!("{folder}/{name}"), Entry::File(text.into_bytes()))).collect();
    pack(&tree).and_then(|archive| compress(&archive)).map_err(|error| format!("bundle: {error}"))
}

/// The bundle's files, by their paths.
fn files(options: &Options, created: &str) -> Result<BTreeMap<String, String>, String> {
    let mut files = BTreeMap::new();
    let mut definitions = Vec::new();
    for folder in DEFINITIONS {
        for (name, text) in texts(folder)? {
            definitions.push(parse(&name, &text)?);
            files.insert(format!("manifests/{name}"), text);
        }
    }
    for path in OBJECTS {
        let mut object = read(&format!("{OPERATOR}/{path}"))?;
        let name = prefixed(&object["metadata"]["name"]);
        let metadata = object["metadata"].as_object_mut().ok_or_else(|| format!("{path}: no metadata"))?;
        // It is that of the Subscription.
        metadata.remove("namespace");
        metadata.insert("name".to_owned(), name.clone());
        let file = format!("{}.yaml", name.as_str().unwrap_or_default());
        files.insert(format!("manifests/{file}"), yaml(&object)?);
    }
    let csv = csv::make(options, created, &definitions)?;
    files.insert(format!("manifests/{PACKAGE}.clusterserviceversion.yaml"), yaml(&csv)?);
    files.insert("metadata/annotations.yaml".to_owned(), yaml(&json!({ "annotations": annotations() }))?);
    files.insert("tests/scorecard/config.yaml".to_owned(), SCORECARD.to_owned());
    files.insert("bundle.Dockerfile".to_owned(), dockerfile());
    Ok(files)
}

/// What the bundle is, for catalogs: as a file in it and as labels of its image.
fn annotations() -> Value {
    let operators = "operators.operatorframework.io";
    json!({
        format!("{operators}.bundle.mediatype.v1"): "registry+v1",
        format!("{operators}.bundle.manifests.v1"): "manifests/",
        format!("{operators}.bundle.metadata.v1"): "metadata/",
        format!("{operators}.bundle.package.v1"): PACKAGE,
        format!("{operators}.bundle.channels.v1"): CHANNEL,
        format!("{operators}.bundle.channel.default.v1"): CHANNEL,
        format!("{operators}.test.mediatype.v1"): "scorecard+v1",
        format!("{operators}.test.config.v1"): "tests/scorecard/",
    })
}

fn dockerfile() -> String {
    let mut file = "FROM scratch\n".to_owned();
    for (name, value) in annotations().as_object().into_iter().flatten() {
        file += &format!("LABEL {name}={}\n", value.as_str().unwrap_or_default());
    }
    for folder in ["manifests", "metadata", "tests/scorecard"] {
        file += &format!("COPY {folder} /{folder}/\n");
    }
    file
}

fn prefixed(name: &Value) -> Value {
    json!(format!("{PREFIX}{}", name.as_str().unwrap_or_default()))
}

/// The files of a folder, sorted by name.
fn texts(folder: &str) -> Result<BTreeMap<String, String>, String> {
    let entries = fs::read_dir(root().join(folder)).map_err(|error| format!("{folder}: {error}"))?;
    let mut found = BTreeMap::new();
    for entry in entries {
        let name = entry.map_err(|error| format!("{folder}: {error}"))?.file_name();
        let name = name.to_string_lossy().into_owned();
        found.insert(name.clone(), text(&format!("{folder}/{name}"))?);
    }
    Ok(found)
}

fn text(path: &str) -> Result<String, String> {
    fs::read_to_string(root().join(path)).map_err(|error| format!("{path}: {error}"))
}

fn read(path: &str) -> Result<Value, String> {
    parse(path, &text(path)?)
}

fn parse(path: &str, text: &str) -> Result<Value, String> {
    serde_saphyr::from_str(text).map_err(|error| format!("{path}: {error}"))
}

fn yaml(value: &Value) -> Result<String, String> {
    serde_saphyr::to_string(value).map_err(|error| error.to_string())
}
