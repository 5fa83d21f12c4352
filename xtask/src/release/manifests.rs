//! Manifests as users of a release apply them: with its images in place of those that developers build.

use std::fs;

use crate::images::archive::{Entry, Tree, compress, pack};
use crate::root;
use crate::version::{VERSION, tracked};

use super::PROJECT;

/// What is in the archive.
const FOLDERS: [&str; 2] = ["deployments", "demo"];

/// The archive, whose files are below `intel-device-plugins-VERSION`.
pub(crate) fn archive(registry: &str) -> Result<Vec<u8>, String> {
    let mut tree = Tree::new();
    for path in tracked(&FOLDERS)? {
        let content = fs::read(root().join(&path)).map_err(|error| format!("{}: {error}", path.display()))?;
        let content = match String::from_utf8(content) {
            Ok(text) => released(&text, registry, VERSION).into_bytes(),
            Err(binary) => binary.into_bytes(),
        };
        tree.insert(format!("{PROJECT}-{VERSION}/{}", path.display()), Entry::File(content));
    }
    let failed = |error| format!("manifests: {error}");
    pack(&tree).and_then(|archive| compress(&archive)).map_err(failed)
}

/// A file with the images of a release: `intel/NAME:devel` and `intel/NAME:VERSION` become `REGISTRY/NAME:VERSION`.
pub(crate) fn released(text: &str, registry: &str, version: &str) -> String {
    let registry = registry.strip_prefix("docker.io/").unwrap_or(registry);
    let lines = text.split_inclusive('\n').map(|line| {
        // An image is a word of its own, or what an equals sign gives.
        let Some(start) = line.find("intel/intel-").filter(|start| {
            let before = line.get(..*start).unwrap_or_default();
            before.is_empty() || before.ends_with([' ', '"', '\'', '=', '`'])
        }) else {
            return line.to_owned();
        };
        let (before, image) = line.split_at(start);
        let end =
            image.find(|c: char| !(c.is_ascii_alphanumeric() || "/:-_.".contains(c))).unwrap_or(image.len());
        let (image, after) = image.split_at(end);
        match image.strip_prefix("intel/").and_then(|image| image.split_once(':')) {
            Some((name, tag)) if tag == "devel" || tag == version => {
                format!("{before}{registry}/{name}:{version}{after}")
            }
            _ => line.to_owned(),
        }
    });
    lines.collect()
}
