//! `cargo xtask release`: everything of a release, in one folder, and what pushes it.

mod charts;
mod checks;
mod manifests;
mod options;
mod push;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::build::{self, SHIPPED};
use crate::bundle;
use crate::images::{self, Made};
use crate::platform::Platform;
use crate::version::VERSION;
use crate::{cargo, hash, output_of, root};

pub(crate) use options::Options;

/// What names of files begin with.
const PROJECT: &str = "intel-device-plugins";

/// Checks, builds, packs and, unless it is a dry run, pushes. Ends at the first thing that is not as it has to be.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    // Helm and the script run in other folders.
    let output = options.output();
    let output = std::path::absolute(&output).map_err(|error| format!("{}: {error}", output.display()))?;
    step("checks");
    checks::clean(&root())?;
    checks::tag(&root(), VERSION)?;
    let notes = checks::notes(&read(&root().join("CHANGELOG.md"))?, VERSION)?;
    let disagreeing = crate::version::check()?;
    if !disagreeing.is_empty() {
        return Err(disagreeing.join("\nxtask: "));
    }
    if output.exists() {
        return Err(format!("{} is there already: remove it, or give another --output", output.display()));
    }
    let files = output.join("files");
    create(&files)?;
    write(&output.join("notes.md"), &notes)?;

    step("images");
    let images = images::make(&options.images, &output.join("images"))?;
    for package in SHIPPED.iter().filter(|shipped| shipped.is_static()).map(|shipped| shipped.package) {
        let image = images::IMAGES.iter().find(|image| image.package == package);
        let made = image.and_then(|image| images.iter().find(|made| made.name == image.name));
        let made = made.ok_or_else(|| format!("{package} is in no image"))?;
        for (file, _) in &made.bills {
            let name = file.replacen(made.name, package, 1);
            copy(&output.join("images").join(file), &files.join(name))?;
        }
    }

    if options.twice {
        step("the same binaries again, elsewhere");
        twice(options)?;
    }

    step("binaries that are in no image");
    for shipped in SHIPPED.iter().filter(|shipped| !shipped.is_static()) {
        let (archive, bill) = images::archive_of(shipped, &options.images)?;
        let name = format!("{}-{VERSION}-linux-amd64.tar.gz", shipped.package);
        write(&files.join(name), &archive)?;
        write(&files.join(format!("{}.cdx.json", shipped.package)), &bill)?;
    }

    step("charts");
    let charts = charts::package(&options.helm(), &options.images.registry, &files)?;

    step("manifests");
    let archive = manifests::archive(&options.images.registry)?;
    write(&files.join(format!("{PROJECT}-{VERSION}-manifests.tar.gz")), &archive)?;

    step("bundle");
    let archive = bundle_of(&images, &options.images.registry)?;
    write(&files.join(format!("{PROJECT}-{VERSION}-bundle.tar.gz")), &archive)?;

    step("checksums");
    write(&files.join("SHA256SUMS"), &sums(&files)?)?;
    write(&output.join("images.txt"), &push::images(&images, options))?;
    write(&output.join("bills.txt"), &push::bills(&images, options))?;
    print!("{}", push::table(&images, &charts, options));
    println!("and, as files of the release: {}", names(&files)?.join(", "));
    println!("all in {}", output.display());
    if options.dry_run {
        println!("dry run: nothing was pushed; bash {} {} does it", push::SCRIPT, output.display());
        return Ok(());
    }
    step("push");
    output_of(Command::new("bash").arg(push::SCRIPT).arg(output)).map(|said| print!("{said}"))
}

/// The operator's bundle, which names these images by their digests.
fn bundle_of(images: &[Made], registry: &str) -> Result<Vec<u8>, String> {
    let options = bundle::Options {
        registry: registry.to_owned(),
        digests: images.iter().map(|image| (image.name.to_owned(), image.digest.clone())).collect(),
        replaces: None,
        output: None,
    };
    bundle::archive(&options, &format!("{PROJECT}-{VERSION}-bundle"))
}

/// Builds all of a copy of the repository in another place, and fails where a binary comes out otherwise. The copy is left then.
fn twice(options: &Options) -> Result<(), String> {
    let copy = std::env::temp_dir().join(format!("{PROJECT}-{}", std::process::id()));
    output_of(Command::new("git").args(["worktree", "add", "--quiet", "--detach"]).arg(&copy))?;
    let host = [Platform::host()?];
    let platforms = if options.images.platforms.is_empty() { &host[..] } else { &options.images.platforms };
    let targets = platforms.iter().flat_map(|platform| ["--target", platform.target()]);
    // The copy's own program, as this one knows no root but its own.
    let mut build = cargo();
    build.args(["run", "--quiet", "--locked", "--package", "xtask", "--manifest-path"]);
    build.arg(copy.join("Cargo.toml")).args(["--", "build"]).args(targets);
    output_of(build.env("CARGO_TARGET_DIR", copy.join("target")))?;
    for platform in platforms {
        for shipped in SHIPPED.iter().filter(|shipped| shipped.is_for(*platform)) {
            let package = shipped.package;
            let again = copy.join("target").join(platform.target()).join("release").join(package);
            let sum = same(&build::ship(shipped, *platform)?, &again)?;
            println!("{sum}  {package} for {}", platform.name());
        }
    }
    output_of(Command::new("git").args(["worktree", "remove", "--force"]).arg(&copy)).map(|_| ())
}

/// The checksum of two files with the same content.
fn same(first: &Path, second: &Path) -> Result<String, String> {
    let sum = |path: &Path| {
        fs::read(path).map(|file| hash::sha256(&file)).map_err(|error| format!("{}: {error}", path.display()))
    };
    let found = sum(first)?;
    if found == sum(second)? {
        return Ok(found);
    }
    Err(format!("{} and {} differ: the build is not reproducible", first.display(), second.display()))
}

fn step(title: &str) {
    println!("== {title}");
}

/// As `sha256sum --check` reads them.
fn sums(folder: &Path) -> Result<String, String> {
    let mut sums = String::new();
    for name in names(folder)? {
        let content = fs::read(folder.join(&name)).map_err(|error| format!("{name}: {error}"))?;
        sums.push_str(&format!("{}  {name}\n", hash::sha256(&content)));
    }
    Ok(sums)
}

/// The files in a folder, sorted.
fn names(folder: &Path) -> Result<Vec<String>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names: std::io::Result<Vec<String>> = names.collect();
    let mut names = names.map_err(|error| format!("{}: {error}", folder.display()))?;
    names.sort_unstable();
    Ok(names)
}

fn create(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, content: &(impl AsRef<[u8]> + ?Sized)) -> Result<(), String> {
    fs::write(path, content).map_err(|error| format!("{}: {error}", path.display()))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to).map(|_| ()).map_err(|error| format!("{}: {error}", from.display()))
}
