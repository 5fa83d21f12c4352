//! Charts as Helm packages them, the same bytes for the same files.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;

use crate::images::archive::{Entry, Tree, compress, pack};
use crate::version::tracked;
use crate::{output_of, root};

use super::{create, write};

/// The chart that has all others.
const UMBRELLA: &str = "intel-device-plugins";

/// Packages all charts into the folder; returns their files' names, sorted. Their values name images of the registry.
pub(crate) fn package(helm: &Path, registry: &str, folder: &Path) -> Result<Vec<String>, String> {
    let copy = folder.with_extension("charts");
    let charts = copies(registry, &copy)?;
    let packages = copy.join("packages");
    create(&packages)?;
    output_of(Command::new(helm).args(["dependency", "update"]).arg(copy.join(UMBRELLA)))?;
    // It says when it was made, and what is in the package needs no lock.
    let lock = copy.join(UMBRELLA).join("Chart.lock");
    fs::remove_file(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    for chart in &charts {
        output_of(
            Command::new(helm).arg("package").arg(copy.join(chart)).arg("--destination").arg(&packages),
        )?;
    }
    let names = super::names(&packages)?;
    for name in &names {
        let package = packages.join(name);
        let content = fs::read(&package).map_err(|error| format!("{}: {error}", package.display()))?;
        let content = without_times(&content).map_err(|error| format!("{}: {error}", package.display()))?;
        write(&folder.join(name), &content)?;
    }
    fs::remove_dir_all(&copy).map_err(|error| format!("{}: {error}", copy.display()))?;
    Ok(names)
}

/// Copies what git knows of `charts`; returns the charts' folders.
fn copies(registry: &str, copy: &Path) -> Result<BTreeSet<String>, String> {
    let hub = registry.strip_prefix("docker.io/").unwrap_or(registry);
    let mut charts = BTreeSet::new();
    for path in tracked(&["charts"])? {
        let mut parts = path.iter().skip(1).map(|part| part.to_string_lossy().into_owned());
        let Some(chart) = parts.next() else { continue };
        let rest: PathBuf = parts.collect();
        let text = super::read(&root().join(&path))?;
        let text = if rest == Path::new("values.yaml") {
            text.replace("hub: intel\n", &format!("hub: {hub}\n"))
        } else {
            text
        };
        let to = copy.join(&chart).join(rest);
        create(to.parent().unwrap_or(copy))?;
        write(&to, &text)?;
        charts.insert(chart);
    }
    Ok(charts)
}

/// A package without the times of its files, which are of the moment when Helm made it.
pub(super) fn without_times(package: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Archive::new(GzDecoder::new(package));
    let mut tree = Tree::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        tree.insert(path, Entry::File(content));
    }
    compress(&pack(&tree)?)
}
