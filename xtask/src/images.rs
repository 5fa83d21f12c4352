//! `cargo xtask images`: the images that are shipped, as archives. The same binaries of the same commit give the same bytes.

mod archive;
mod component;
mod licences;
mod oci;
mod options;
mod program;
mod table;
mod toolchain;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::{self, SHIPPED, Shipped};
use crate::elf::Linking;
use crate::{output_of, root};
use oci::{Config, Layer, Packed};
use program::Program;
use table::{Image, User};

pub(crate) use options::{Options, image_version};
pub(crate) use table::IMAGES;

const VENDOR: &str = "Intel Device Plugins for Kubernetes, in Rust";

/// The user and the group that nobody is.
const NOBODY: &str = "65532:65532";

/// The state of the repository that images are of.
pub(crate) struct Commit {
    /// Its hash, with `-dirty` where files differ from it.
    revision: String,
    /// When it was made, as RFC 3339 has it, in UTC.
    pub(crate) created: String,
}

impl Commit {
    pub(crate) fn find() -> Result<Self, String> {
        let git = |args: &[&str]| output_of(Command::new("git").args(args).env("TZ", "UTC"));
        let revision = git(&["describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"])?;
        let created = git(&["log", "-1", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"])?;
        Ok(Self { revision: revision.trim().to_owned(), created: created.trim().to_owned() })
    }
}

/// Builds what is to be in them, or takes it from where the options say, and writes the archives and what is in them.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let commit = Commit::find()?;
    let output = options.output.clone().unwrap_or_else(|| {
        std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root().join("target"), PathBuf::from)
            .join("images")
    });
    println!("{:<34}{:<74}{:>10}", "image", "digest", "bytes");
    for shipped in
        SHIPPED.iter().filter(|shipped| IMAGES.iter().any(|image| image.package == shipped.package))
    {
        let program = Program::of(shipped.package, binary(shipped, options)?, &commit.created)?;
        for (name, digest, bytes) in pack(&program, &commit, options, &output)? {
            println!("{name:<34}{digest:<74}{bytes:>10}");
        }
    }
    println!("in {}", fs::canonicalize(&output).unwrap_or(output).display());
    Ok(())
}

/// A binary that runs without anything beside it.
fn binary(shipped: &Shipped, options: &Options) -> Result<Vec<u8>, String> {
    let path = match &options.binaries {
        Some(folder) => folder.join(shipped.package),
        None => build::ship(shipped)?,
    };
    let content = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    match Linking::of(&content) {
        Some(linking) if !linking.interpreter && linking.libraries.is_empty() => Ok(content),
        Some(_) => Err(format!("{} is not static: take what `cargo xtask build` makes", path.display())),
        None => Err(format!("{} is no ELF file", path.display())),
    }
}

/// Writes the images of one program, `NAME.tar` and `NAME.cdx.json` each; returns names, digests and the archives' bytes.
fn pack(
    program: &Program,
    commit: &Commit,
    options: &Options,
    folder: &Path,
) -> Result<Vec<(&'static str, String, usize)>, String> {
    let failed = |path: &Path, error| format!("{}: {error}", path.display());
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let layer = Layer::of(&program.files()).map_err(|error| format!("{}: {error}", program.package))?;
    let mut packed = Vec::new();
    for image in IMAGES.iter().filter(|image| image.package == program.package) {
        let image_of_it = Packed::new(&config(image, commit, options), &layer);
        let archive = image_of_it.archive(&options.names(image.name));
        let archive = archive.map_err(|error| format!("{}: {error}", image.name))?;
        let files = [("tar", archive.as_slice()), ("cdx.json", program.bill.as_slice())];
        for (extension, content) in files {
            let path = folder.join(format!("{}.{extension}", image.name));
            fs::write(&path, content).map_err(|error| failed(&path, error))?;
        }
        packed.push((image.name, image_of_it.digest(), archive.len()));
    }
    Ok(packed)
}

/// Labels are the [annotations of OCI](https://github.com/opencontainers/image-spec/blob/v1.1.0/annotations.md), and those of the Go
/// implementation's images, which registries of Red Hat ask for.
fn config(image: &Image, commit: &Commit, options: &Options) -> Config {
    let version = image_version();
    let mut labels: Vec<(&str, &str)> = vec![
        ("org.opencontainers.image.title", image.name),
        ("org.opencontainers.image.description", image.summary),
        ("org.opencontainers.image.version", version),
        ("org.opencontainers.image.revision", &commit.revision),
        ("org.opencontainers.image.created", &commit.created),
        ("org.opencontainers.image.licenses", "Apache-2.0"),
        ("org.opencontainers.image.vendor", VENDOR),
        ("name", image.name),
        ("summary", image.summary),
        ("description", image.summary),
        ("vendor", VENDOR),
        ("version", version),
        ("release", "1"),
    ];
    labels.extend(options.source.as_deref().map(|source| ("org.opencontainers.image.source", source)));
    Config {
        entry_point: format!("/usr/local/bin/{}", image.entry_point),
        user: (image.user == User::Nobody).then(|| NOBODY.to_owned()),
        working_folder: image.working_folder.to_owned(),
        labels: labels.into_iter().map(|(name, value)| (name, value.to_owned())).collect(),
        created: commit.created.clone(),
    }
}
