//! `cargo xtask images`: the images that are shipped, as archives. The same binaries of the same commit give the same bytes.

pub(crate) mod archive;
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
use crate::platform::Platform;
use crate::version::VERSION;
use crate::{output_of, target};
use oci::{Config, Layer, Packed, Variant};
use program::Program;
use table::{Image, User};

pub(crate) use options::{Options, REGISTRY};
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

/// An image that was written.
pub(crate) struct Made {
    pub(crate) name: &'static str,
    /// What a registry calls it.
    pub(crate) digest: String,
    /// For each platform: the file with the bill of materials, beside the archive, and what a registry calls the manifest.
    pub(crate) bills: Vec<(String, String)>,
    /// Of the archive.
    pub(crate) bytes: usize,
}

/// Builds what is to be in them, or takes it from where the options say, writes the archives and what is in them, and prints a line
/// for each.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let output = options.output.clone().unwrap_or_else(|| target().join("images"));
    println!("{:<34}{:<74}{:>10}", "image", "digest", "bytes");
    for made in make(options, &output)? {
        println!("{:<34}{:<74}{:>10}", made.name, made.digest, made.bytes);
    }
    println!("in {}", fs::canonicalize(&output).unwrap_or(output).display());
    Ok(())
}

/// Makes all images.
pub(crate) fn make(options: &Options, output: &Path) -> Result<Vec<Made>, String> {
    let commit = Commit::find()?;
    let mut all = Vec::new();
    for shipped in
        SHIPPED.iter().filter(|shipped| IMAGES.iter().any(|image| image.package == shipped.package))
    {
        let of_it = |(platform, binary)| Program::of(shipped, platform, binary, &commit.created);
        let programs = binaries(shipped, options)?.into_iter().map(of_it).collect::<Result<Vec<_>, _>>()?;
        all.extend(pack(programs, &commit, options, output)?);
    }
    all.sort_by_key(|made| made.name);
    Ok(all)
}

/// What is shipped but in no image: an archive of the program with its licences, and its bill of materials.
pub(crate) fn archive_of(shipped: &Shipped, options: &Options) -> Result<(Vec<u8>, Vec<u8>), String> {
    let path = match options.binaries.first() {
        Some(folder) => folder.join(shipped.package),
        None => build::ship(shipped, Platform::Amd64)?,
    };
    let content = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let program = Program::of(shipped, Platform::Amd64, content, &Commit::find()?.created)?;
    let mut files = program.files();
    files.retain(|path, _| path != "tmp");
    let failed = |error| format!("{}: {error}", shipped.package);
    let archive = archive::pack(&files).and_then(|archive| archive::compress(&archive)).map_err(failed)?;
    Ok((archive, program.bill))
}

/// A binary for each platform that it is for, which runs without anything beside it.
fn binaries(shipped: &Shipped, options: &Options) -> Result<Vec<(Platform, Vec<u8>)>, String> {
    let host = [Platform::host()?];
    let platforms = if options.platforms.is_empty() { &host[..] } else { &options.platforms };
    let paths: Vec<PathBuf> = if options.binaries.is_empty() {
        let platforms = platforms.iter().filter(|platform| shipped.is_for(**platform));
        platforms.map(|platform| build::ship(shipped, *platform)).collect::<Result<_, _>>()?
    } else {
        let paths: Vec<PathBuf> =
            options.binaries.iter().map(|folder| folder.join(shipped.package)).collect();
        // Not every folder has to have all.
        let there: Vec<PathBuf> = paths.iter().filter(|path| path.exists()).cloned().collect();
        if there.is_empty() { paths } else { there }
    };
    let check = |path: PathBuf| {
        let content = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let linking = Linking::of(&content).ok_or_else(|| format!("{} is no ELF file", path.display()))?;
        if linking.interpreter || !linking.libraries.is_empty() {
            return Err(format!("{} is not static: take what `cargo xtask build` makes", path.display()));
        }
        let platform = Platform::of_program(&content).filter(|platform| shipped.is_for(*platform));
        let platform = platform
            .ok_or_else(|| format!("{} is for a processor that it is not shipped for", path.display()))?;
        Ok((platform, content))
    };
    paths.into_iter().map(check).collect()
}

/// Writes the images of a program, `NAME.tar` and `NAME.cdx.json` each; `NAME-PLATFORM.cdx.json` where there are several platforms,
/// for all but the first.
fn pack(
    mut programs: Vec<Program>,
    commit: &Commit,
    options: &Options,
    folder: &Path,
) -> Result<Vec<Made>, String> {
    let failed = |path: &Path, error| format!("{}: {error}", path.display());
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    programs.sort_by_key(|program| program.platform);
    let package = programs.first().map(|program| program.package);
    if programs.windows(2).any(|two| matches!(two, [one, other] if one.platform == other.platform)) {
        return Err(format!("{} is there twice for one processor", package.unwrap_or_default()));
    }
    let layers = programs
        .iter()
        .map(|program| Layer::of(&program.files()).map_err(|error| format!("{}: {error}", program.package)));
    let layers = layers.collect::<Result<Vec<_>, _>>()?;
    let mut all = Vec::new();
    for image in IMAGES.iter().filter(|image| Some(image.package) == package) {
        let config = config(image, commit, options);
        let variants = programs.iter().zip(&layers);
        let packed = Packed::new(
            variants.map(|(program, layer)| Variant::new(program.platform, &config, layer)).collect(),
        );
        let archive = packed.archive(&options.names(image.name));
        let archive = archive.map_err(|error| format!("{}: {error}", image.name))?;
        let path = folder.join(format!("{}.tar", image.name));
        fs::write(&path, &archive).map_err(|error| failed(&path, error))?;
        let mut bills = Vec::new();
        for (number, (program, manifest)) in programs.iter().zip(packed.manifests()).enumerate() {
            let platform = if number == 0 { String::new() } else { format!("-{}", program.platform.name()) };
            let file = format!("{}{platform}.cdx.json", image.name);
            let path = folder.join(&file);
            fs::write(&path, &program.bill).map_err(|error| failed(&path, error))?;
            bills.push((file, manifest));
        }
        all.push(Made { name: image.name, digest: packed.digest(), bills, bytes: archive.len() });
    }
    Ok(all)
}

/// Labels are the [annotations of OCI](https://github.com/opencontainers/image-spec/blob/v1.1.0/annotations.md), and those of the Go
/// implementation's images, which registries of Red Hat ask for.
fn config(image: &Image, commit: &Commit, options: &Options) -> Config {
    let mut labels: Vec<(&str, &str)> = vec![
        ("org.opencontainers.image.title", image.name),
        ("org.opencontainers.image.description", image.summary),
        ("org.opencontainers.image.version", VERSION),
        ("org.opencontainers.image.revision", &commit.revision),
        ("org.opencontainers.image.created", &commit.created),
        ("org.opencontainers.image.licenses", "Apache-2.0"),
        ("org.opencontainers.image.vendor", VENDOR),
        ("name", image.name),
        ("summary", image.summary),
        ("description", image.summary),
        ("vendor", VENDOR),
        ("version", VERSION),
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
