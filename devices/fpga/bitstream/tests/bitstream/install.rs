use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use fpga_bitstream::{Bitstream, Error, Replace, writer};

use crate::scene::{AFU, HASH, INTERFACE, Scene, aocx, chain, gbs, id, name, read};

fn file() -> String {
    format!("{AFU}.gbs")
}

#[test]
fn what_was_installed_is_found() {
    let scene = Scene::new();
    for (file_name, content) in [("a.gbs", gbs()), ("b.aocx", aocx())] {
        let bitstream = read(file_name, &content).unwrap();
        let path = scene.store.install(&bitstream, Replace::Never).unwrap();
        let found = scene.store.find(id(INTERFACE), &bitstream.name().unwrap()).unwrap();
        assert_eq!(found.path(), path);
        assert_eq!(fs::read(scene.root.path().join(path.strip_prefix("/").unwrap())).unwrap(), content);
    }
    assert_eq!(scene.names(INTERFACE), [format!("{HASH}.aocx"), file()]);
}

#[test]
fn a_hash_with_capitals_and_dashes_is_installed_where_it_is_looked_for() {
    let scene = Scene::new();
    let bitstream = read("x.aocx", &writer::aocx("AB-cd-12", &gbs())).unwrap();
    scene.store.install(&bitstream, Replace::Never).unwrap();
    assert!(scene.store.find(id(INTERFACE), &name("AB-cd-12")).is_ok());
}

#[test]
fn folders_are_made_and_everybody_can_read_them() {
    let scene = Scene::new();
    fs::remove_dir_all(scene.root.path().join("srv")).unwrap();
    scene.store.install(&read("x.gbs", &gbs()).unwrap(), Replace::Never).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for folder in ["srv", "srv/intel.com", "srv/intel.com/fpga"] {
        assert_eq!(mode(&scene.root.path().join(folder)), 0o755, "{folder}");
    }
    assert_eq!(mode(&scene.at(INTERFACE)), 0o755);
    assert_eq!(mode(&scene.at(INTERFACE).join(file())), 0o644);
}

#[test]
fn a_file_is_replaced_only_if_asked_and_whole() {
    let scene = Scene::new().with(&format!("{INTERFACE}/{}", file()), b"old");
    let place = scene.at(INTERFACE).join(file());
    let bitstream = read("x.gbs", &gbs()).unwrap();
    let error = scene.store.install(&bitstream, Replace::Never).unwrap_err();
    assert!(matches!(error, Error::Exists(_)), "{error:?}");
    assert_eq!(error.to_string(), format!("/srv/intel.com/fpga/{INTERFACE}/{} is there already", file()));
    let mut old = fs::File::open(&place).unwrap();
    scene.store.install(&bitstream, Replace::Existing).unwrap();
    assert_eq!(fs::read(&place).unwrap(), gbs());
    // Whoever had it open keeps what it was.
    let mut text = String::new();
    old.read_to_string(&mut text).unwrap();
    assert_eq!(text, "old");
    assert_eq!(scene.names(INTERFACE), [file()]);
}

#[test]
fn a_failure_leaves_the_old_file_and_nothing_else() {
    let scene = Scene::new().with(&format!("{INTERFACE}/{}", file()), b"old");
    let source = scene.root.path().join("x.gbs");
    fs::write(&source, gbs()).unwrap();
    // A folder in its place: what was written beside cannot be moved there.
    let bitstream = Bitstream::open(&source).unwrap();
    fs::remove_file(scene.at(INTERFACE).join(file())).unwrap();
    fs::create_dir(scene.at(INTERFACE).join(file())).unwrap();
    let error = chain(&scene.store.install(&bitstream, Replace::Existing).unwrap_err());
    assert!(error.starts_with("cannot write /srv/intel.com/fpga/"), "{error}");
    assert_eq!(scene.names(INTERFACE), [file()]);
}

#[test]
fn a_file_that_is_cut_after_it_was_opened_is_not_installed() {
    let scene = Scene::new();
    let source = scene.root.path().join("x.gbs");
    fs::write(&source, gbs()).unwrap();
    let bitstream = Bitstream::open(&source).unwrap();
    fs::File::options().write(true).open(&source).unwrap().set_len(100).unwrap();
    let error = chain(&scene.store.install(&bitstream, Replace::Never).unwrap_err());
    assert!(error.ends_with(": the file was changed after it was checked"), "{error}");
    assert!(scene.names(INTERFACE).is_empty());
}

#[test]
fn a_program_without_a_hash_has_no_place() {
    let scene = Scene::new();
    let bitstream = read("x.aocx", &writer::aocx("", &gbs())).unwrap();
    let error = scene.store.install(&bitstream, Replace::Never).unwrap_err();
    assert!(matches!(error, Error::Nameless(_)), "{error:?}");
    assert!(
        error
            .to_string()
            .ends_with("x.aocx has no hash (section .acl.rand_hash), so it has no place in a store")
    );
    assert!(scene.names("").is_empty());
}

#[test]
fn nothing_is_written_outside_of_the_store() {
    let scene = Scene::new();
    let outside = scene.root.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink("../../../outside", scene.at(INTERFACE)).unwrap();
    let bitstream = read("x.gbs", &gbs()).unwrap();
    let error = chain(&scene.store.install(&bitstream, Replace::Existing).unwrap_err());
    assert!(error.ends_with(": a link leads out of the store"), "{error}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    // A link in the file's place is replaced, not followed.
    fs::remove_file(scene.at(INTERFACE)).unwrap();
    fs::create_dir(scene.at(INTERFACE)).unwrap();
    fs::write(outside.join("precious"), b"old").unwrap();
    symlink("../../../../outside/precious", scene.at(INTERFACE).join(file())).unwrap();
    assert!(matches!(scene.store.install(&bitstream, Replace::Never), Err(Error::Exists(_))));
    scene.store.install(&bitstream, Replace::Existing).unwrap();
    assert_eq!(fs::read(outside.join("precious")).unwrap(), b"old");
    assert!(scene.store.find(id(INTERFACE), &name(AFU)).is_ok());
}
