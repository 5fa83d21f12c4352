//! The texts of a crate's licences and notices, from its source.

use std::fs;
use std::path::Path;

use super::component::{Texts, read};
use crate::crates::Crate;

/// What names of such files begin with, in any case.
const BEGINNINGS: [&str; 7] =
    ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "PATENTS", "UNLICENSE"];

/// The crate's own. A crate without any has those of a crate of the same repository under the same licence, or, where that is
/// Apache-2.0, `apache`: this licence has no names in it.
pub(crate) fn texts(of: &Crate, all: &[Crate], apache: &[u8]) -> Result<Texts, String> {
    let is_sibling = |other: &&Crate| {
        other.repository.is_some() && other.repository == of.repository && other.licence == of.licence
    };
    for found in [of].into_iter().chain(all.iter().filter(is_sibling)) {
        let mut texts = Texts::new();
        collect(&found.folder, "", &mut texts)?;
        if !texts.is_empty() {
            return Ok(texts);
        }
    }
    if of.licence == "Apache-2.0" {
        return Ok(Texts::from([("LICENSE".to_owned(), apache.to_owned())]));
    }
    Err(format!(
        "{} {} ({}) has no text of its licence in {}: teach xtask/src/images/licences.rs where it is",
        of.name,
        of.version,
        of.licence,
        of.folder.display()
    ))
}

/// All in the folder and in those in it, by their paths: crates keep other people's code in folders with licences of their own.
fn collect(folder: &Path, prefix: &str, texts: &mut Texts) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let upper = name.to_uppercase();
        let is_text = BEGINNINGS.iter().any(|beginning| upper.starts_with(beginning))
            && Path::new(&name).extension() != Some("rs".as_ref());
        if kind.is_dir() {
            collect(&entry.path(), &format!("{path}/"), texts)?;
        } else if kind.is_file() && is_text {
            texts.insert(path, read(&entry.path())?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const APACHE: &[u8] = b"the Apache licence";

    fn crate_(name: &str, licence: &str, folder: &Path, files: &[&str]) -> Crate {
        let folder = folder.join(name);
        for file in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{name}'s")).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        Crate {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: licence.to_owned(),
            folder,
            repository: Some("https://example.com/one".to_owned()),
            checksum: String::new(),
        }
    }

    fn names(texts: &Texts) -> Vec<&str> {
        texts.keys().map(String::as_str).collect()
    }

    #[test]
    fn the_texts_of_a_crate_are_all_its_licences_and_notices_wherever_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            "LICENSE-MIT",
            "license.md",
            "NOTICE",
            "third_party/fiat/LICENSE",
            "src/license.rs",
            "README.md",
        ];
        let own = crate_("own", "MIT", folder.path(), &files);
        let texts = texts(&own, &[], APACHE).unwrap();
        assert_eq!(names(&texts), ["LICENSE-MIT", "NOTICE", "license.md", "third_party/fiat/LICENSE"]);
        assert_eq!(texts["NOTICE"], b"own's");
    }

    #[test]
    fn a_crate_without_texts_has_those_of_its_repository_under_the_same_licence() {
        let folder = tempfile::tempdir().unwrap();
        let none = crate_("none", "MIT", folder.path(), &[]);
        let other = crate_("other", "Zlib", folder.path(), &["LICENSE"]);
        let mut elsewhere = crate_("elsewhere", "MIT", folder.path(), &["LICENSE"]);
        elsewhere.repository = Some("https://example.com/two".to_owned());
        let refused = texts(&none, &[other.clone(), elsewhere.clone()], APACHE).unwrap_err();
        assert!(refused.starts_with("none 1.0.0 (MIT) has no text of its licence in "), "{refused}");
        let sibling = crate_("sibling", "MIT", folder.path(), &["LICENSE"]);
        let found = texts(&none, &[other, elsewhere, sibling], APACHE).unwrap();
        assert_eq!(found["LICENSE"], b"sibling's");
    }

    #[test]
    fn the_text_of_apache_2_0_is_the_same_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let none = crate_("none", "Apache-2.0", folder.path(), &[]);
        assert_eq!(texts(&none, &[], APACHE).unwrap()["LICENSE"], APACHE);
        let either = crate_("either", "MIT OR Apache-2.0", folder.path(), &[]);
        assert!(texts(&either, &[], APACHE).is_err());
    }
}
