//! Manifests as users of a release apply them: with its images in place of those that developers build.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::images::IMAGES;
use crate::images::archive::{Entry, Tree, compress, pack};
use crate::root;
use crate::version::{VERSION, tracked};

use super::PROJECT;

/// What is in the archive.
const FOLDERS: [&str; 2] = ["deployments", "demo"];
/// What stands before the names of images in them.
const DEVELOPERS: &str = "intel/";

/// The archive, whose files are below `intel-device-plugins-VERSION`.
pub(crate) fn archive(registry: &str) -> Result<Vec<u8>, String> {
    let mut tree = Tree::new();
    for path in tracked(&FOLDERS)? {
        let failed = |error| format!("{}: {error}", path.display());
        let from = root().join(&path);
        let content = fs::read(&from).map_err(failed)?;
        let mode = fs::metadata(&from).map_err(failed)?.permissions().mode();
        let content = match String::from_utf8(content) {
            Ok(text) => released(&text, registry, VERSION).into_bytes(),
            Err(binary) => binary.into_bytes(),
        };
        let entry = if mode & 0o100 == 0 { Entry::File(content) } else { Entry::Program(content) };
        tree.insert(format!("{PROJECT}-{VERSION}/{}", path.display()), entry);
    }
    let failed = |error| format!("manifests: {error}");
    pack(&tree).and_then(|archive| compress(&archive)).map_err(failed)
}

/// A file with the images of a release: `intel/NAME:devel` and `intel/NAME:VERSION` become `REGISTRY/NAME:VERSION`, for names of
/// [`IMAGES`]. Others, such as those of demos, are for users to build, and stay.
pub(crate) fn released(text: &str, registry: &str, version: &str) -> String {
    let registry = registry.strip_prefix("docker.io/").unwrap_or(registry);
    let mut after = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(DEVELOPERS) {
        after.push_str(before);
        let end = behind.find(|c: char| !(c.is_ascii_alphanumeric() || "/:-_.".contains(c)));
        let (image, behind) = behind.split_at(end.unwrap_or(behind.len()));
        // A word of its own, or what an equals sign gives.
        let begins = after.is_empty() || after.ends_with([' ', '\n', '"', '\'', '=', '`']);
        match image.split_once(':') {
            Some((name, tag))
                if begins
                    && (tag == "devel" || tag == version)
                    && IMAGES.iter().any(|image| image.name == name) =>
            {
                after.push_str(&format!("{registry}/{name}:{version}"));
            }
            _ => after.extend([DEVELOPERS, image]),
        }
        rest = behind;
    }
    after + rest
}
