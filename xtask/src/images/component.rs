//! What of others is in a binary, with the texts of its licences.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::crates::Crate;

/// Texts of licences and notices, by the name of the file.
pub(crate) type Texts = BTreeMap<String, Vec<u8>>;

/// A crate, or a library of the toolchain.
#[derive(Debug, Clone)]
pub(crate) struct Component {
    pub(crate) name: String,
    pub(crate) version: String,
    /// An SPDX expression.
    pub(crate) licence: String,
    /// Its [package URL](https://github.com/package-url/purl-spec).
    pub(crate) url: String,
    /// SHA-256 of what was built, in hexadecimal digits, where it is known.
    pub(crate) checksum: Option<String>,
    /// At least one.
    pub(crate) texts: Texts,
}

impl Component {
    /// Of a crate of a registry.
    pub(crate) fn of(found: &Crate, texts: Texts) -> Self {
        Self {
            url: package_url("cargo", &found.name, &found.version),
            name: found.name.clone(),
            version: found.version.clone(),
            licence: found.licence.clone(),
            checksum: Some(found.checksum.clone()),
            texts,
        }
    }
}

/// `pkg:KIND/NAME@VERSION`.
pub(crate) fn package_url(kind: &str, name: &str, version: &str) -> String {
    format!("pkg:{kind}/{name}@{}", version.replace('+', "%2B"))
}

/// A small text file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    const MAX_BYTES: u64 = 1 << 20;
    let failed = |error| format!("{}: {error}", path.display());
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > MAX_BYTES {
        return Err(format!("{} has {size} bytes, too many for a licence", path.display()));
    }
    fs::read(path).map_err(failed)
}

/// The bill of materials of a program: [CycloneDX 1.6](https://cyclonedx.org/docs/1.6/json/).
pub(crate) fn bill(program: &str, version: &str, created: &str, components: &[Component]) -> Value {
    let components: Vec<Value> = components.iter().map(entry).collect();
    let program = json!({
        "type": "application",
        "bom-ref": program,
        "name": program,
        "version": version,
        "licenses": [{"expression": "Apache-2.0"}],
    });
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": created, "component": program},
        "components": components,
    })
}

fn entry(component: &Component) -> Value {
    let Component { name, version, licence, url, checksum, texts: _ } = component;
    let hashes: Vec<Value> =
        checksum.iter().map(|checksum| json!({"alg": "SHA-256", "content": checksum})).collect();
    json!({
        "type": "library",
        "bom-ref": url,
        "name": name,
        "version": version,
        "purl": url,
        "licenses": [{"expression": licence}],
        "hashes": hashes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(version: &str, checksum: Option<&str>) -> Component {
        Component {
            name: "x".to_owned(),
            version: version.to_owned(),
            licence: "MIT OR Apache-2.0".to_owned(),
            url: package_url("cargo", "x", version),
            checksum: checksum.map(str::to_owned),
            texts: Texts::new(),
        }
    }

    #[test]
    fn a_bill_names_each_component_with_its_licence_and_checksum() {
        let components = [component("1.0.0+deprecated", Some("c0ffee")), component("2.0.0", None)];
        let bill = bill("program", "0.1.0", "2026-01-02T03:04:05Z", &components);
        assert_eq!(bill["specVersion"], "1.6");
        assert_eq!(bill["metadata"]["timestamp"], "2026-01-02T03:04:05Z");
        assert_eq!(bill["metadata"]["component"]["name"], "program");
        let first = json!({
            "type": "library",
            "bom-ref": "pkg:cargo/x@1.0.0%2Bdeprecated",
            "name": "x",
            "version": "1.0.0+deprecated",
            "purl": "pkg:cargo/x@1.0.0%2Bdeprecated",
            "licenses": [{"expression": "MIT OR Apache-2.0"}],
            "hashes": [{"alg": "SHA-256", "content": "c0ffee"}],
        });
        assert_eq!(bill["components"][0], first);
        assert_eq!(bill["components"][1]["hashes"], json!([]));
    }
}
