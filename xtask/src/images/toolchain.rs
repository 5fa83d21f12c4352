//! What a static binary has of the toolchain: Rust's standard library, and the C libraries of the distribution it was built on,
//! which is Debian or one that is made from it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::component::{Component, Texts, package_url, read};
use crate::output_of;
use crate::platform::Platform;

/// Archives of the distribution that are linked in, their licences, and the texts of those that every user must be given.
const ARCHIVES: [(&str, &str, Option<&str>); 2] = [
    ("libc.a", "LGPL-2.1-or-later", Some("LGPL-2.1")),
    // The exception is for programs that a compiler made.
    ("libgcc_eh.a", "GPL-3.0-or-later WITH GCC-exception-3.1", None),
];

/// All of them, as this machine has them for the platform; the C libraries only of what is static.
pub(crate) fn components(platform: Platform, is_static: bool) -> Result<Vec<Component>, String> {
    let compiler = platform.compiler()?;
    let mut components = vec![rust()?];
    for (archive, licence, text) in ARCHIVES.into_iter().filter(|_| is_static) {
        components.push(of_distribution(&compiler, archive, licence, text)?);
    }
    Ok(components)
}

fn rust() -> Result<Component, String> {
    const TEXT: &str = "COPYRIGHT-library.html";
    let version = output_of(Command::new("rustc").arg("-vV"))?;
    let version = version.lines().find_map(|line| line.strip_prefix("release: "));
    let version = version.ok_or("rustc -vV says no release")?;
    let root = output_of(Command::new("rustc").arg("--print=sysroot"))?;
    let text = read(&Path::new(root.trim()).join("share/doc/rust").join(TEXT))?;
    Ok(Component {
        name: "rust-std".to_owned(),
        version: version.to_owned(),
        licence: "MIT OR Apache-2.0".to_owned(),
        url: package_url("github/rust-lang", "rust", version),
        checksum: None,
        texts: Texts::from([(TEXT.to_owned(), text)]),
    })
}

/// The source package that an archive which the linker finds was built from.
fn of_distribution(
    compiler: &str,
    archive: &str,
    licence: &str,
    text: Option<&str>,
) -> Result<Component, String> {
    let path = output_of(Command::new(compiler).arg(format!("-print-file-name={archive}")))?;
    let path = fs::canonicalize(path.trim()).map_err(|error| format!("{}: {error}", path.trim()))?;
    // `libc6-dev:amd64: /usr/lib/x86_64-linux-gnu/libc.a`
    let owner = output_of(Command::new("dpkg-query").arg("--search").arg(&path))?;
    let package = owner.split(": ").next().unwrap_or_default();
    let format = "--showformat=${source:Package} ${source:Version}";
    let source = output_of(Command::new("dpkg-query").args(["--show", format, package]))?;
    let (name, version) =
        source.split_once(' ').ok_or_else(|| format!("dpkg-query of {package}: {source}"))?;
    let folder = Path::new("/usr/share/doc").join(package.split(':').next().unwrap_or_default());
    let mut texts = Texts::from([("copyright".to_owned(), read(&folder.join("copyright"))?)]);
    if let Some(text) = text {
        texts.insert(text.to_owned(), read(&Path::new("/usr/share/common-licenses").join(text))?);
    }
    let release = "/etc/os-release";
    let release = fs::read_to_string(release).map_err(|error| format!("{release}: {error}"))?;
    let distribution = release.lines().find_map(|line| line.strip_prefix("ID=")).unwrap_or("debian");
    let url = package_url(&format!("deb/{distribution}"), name, version);
    Ok(Component {
        name: name.to_owned(),
        version: version.to_owned(),
        licence: licence.to_owned(),
        url: format!("{url}?arch=source"),
        checksum: None,
        texts,
    })
}
