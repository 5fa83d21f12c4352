//! The Helm charts as tests see them: their values with what is said of each, and the schemas and tables that follow from these.
//!
//! What a chart shares with `deployments` or with other charts is a file that `UPDATE_GOLDEN=1 cargo test -p charts` writes.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "for tests only")]

mod schema;
mod values;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub use schema::schema;
pub use values::{Entry, table, values};

/// The families that have a chart, in the order of their names.
pub const FAMILIES: [&str; 8] = ["dlb", "dsa", "fpga", "gpu", "iaa", "npu", "qat", "sgx"];
/// The folder of the operator's chart.
pub const OPERATOR: &str = "device-plugin-operator";
/// The folder of the chart that has all others.
pub const UMBRELLA: &str = "intel-device-plugins";

/// A folder or file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The folder of a family's chart.
pub fn of_family(family: &str) -> String {
    format!("{family}-device-plugin")
}

/// The folders of all charts.
pub fn charts() -> Vec<String> {
    let families = FAMILIES.into_iter().map(of_family);
    families.chain([OPERATOR.to_owned(), UMBRELLA.to_owned()]).collect()
}

/// The text of a file of the repository.
pub fn read(path: &str) -> String {
    let path = repository(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file of the repository in YAML.
pub fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
