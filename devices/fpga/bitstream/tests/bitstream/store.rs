use std::fs;
use std::os::unix::fs::symlink;

use fpga_bitstream::{Error, Kind, Store, writer};
use host::Host;

use crate::scene::{AFU, HASH, INTERFACE, OPENCL, Scene, aocx, chain, gbs, id, name};

const OTHER: &str = "f7df405cbd7acf7222f144b0b93acd18";

fn path(name: &str) -> String {
    format!("{INTERFACE}/{name}")
}

fn found(scene: &Scene, of: &str) -> Result<Kind, String> {
    let found = scene.store.find(id(INTERFACE), &name(of));
    found.map(|bitstream| bitstream.kind()).map_err(|error| chain(&error))
}

#[test]
fn a_bitstream_is_found_by_its_interface_and_function() {
    let scene = Scene::new().with(&path(&format!("{AFU}.gbs")), &gbs());
    let bitstream = scene.store.find(id(INTERFACE), &name(AFU)).unwrap();
    assert_eq!(bitstream.payload().unwrap(), b"bits");
    // As the node sees it, without the folder that the simulated one is in.
    assert_eq!(bitstream.path().to_str().unwrap(), format!("/srv/intel.com/fpga/{INTERFACE}/{AFU}.gbs"));
    assert_eq!(scene.store.path_of(&bitstream).unwrap(), bitstream.path());
}

#[test]
fn a_program_is_found_by_its_hash() {
    let scene = Scene::new().with(&path(&format!("{HASH}.aocx")), &aocx());
    assert_eq!(found(&scene, HASH), Ok(Kind::Aocx));
    assert_eq!(found(&scene, &HASH.to_uppercase()), Ok(Kind::Aocx));
    assert!(found(&scene, OPENCL).is_err());
}

#[test]
fn the_first_file_is_the_answer_also_if_it_is_bad() {
    let both = |gbs: &[u8]| {
        let program = writer::aocx(AFU, &crate::scene::gbs());
        Scene::new().with(&path(&format!("{AFU}.gbs")), gbs).with(&path(&format!("{AFU}.aocx")), &program)
    };
    assert_eq!(found(&both(&gbs()), AFU), Ok(Kind::Gbs));
    let error = found(&both(b"\n"), AFU).unwrap_err();
    assert!(error.contains(".gbs is no good bitstream"), "{error}");
    let scene = both(b"");
    fs::remove_file(scene.at(path(&format!("{AFU}.gbs")))).unwrap();
    assert_eq!(found(&scene, AFU), Ok(Kind::Aocx));
}

#[test]
fn an_empty_program_is_refused() {
    let scene = Scene::new().with(&path(&format!("{HASH}.aocx")), b"");
    let error = found(&scene, HASH).unwrap_err();
    assert!(error.contains("expected the header of an ELF file at byte 0, found the end"), "{error}");
}

#[test]
fn a_file_in_the_wrong_place_is_refused() {
    let other_interface = writer::gbs(id(OTHER), id(AFU), b"bits");
    let other_function = writer::gbs(id(INTERFACE), id(OTHER), b"bits");
    let other_hash = writer::aocx("abc", &gbs());
    let no_hash = writer::aocx("", &gbs());
    for (extension, content, says) in [
        ("gbs", other_interface, format!("its interface id is {OTHER}")),
        ("gbs", other_function, format!("its function id is {OTHER}")),
        ("aocx", other_hash, "its hash is abc".to_owned()),
        ("aocx", no_hash, "its hash is missing".to_owned()),
    ] {
        let scene = Scene::new().with(&path(&format!("{AFU}.{extension}")), &content);
        let file = format!("/srv/intel.com/fpga/{INTERFACE}/{AFU}.{extension}");
        assert_eq!(found(&scene, AFU), Err(format!("{file} is in the wrong place: {says}; install it anew")));
    }
}

#[test]
fn a_missing_interface_is_told_with_those_that_are_there() {
    let scene = Scene::new();
    let none = format!("no bitstreams for interface {INTERFACE} in /srv/intel.com/fpga, which has ");
    assert_eq!(found(&scene, AFU), Err(format!("{none}none")));
    let scene = scene.with(&format!("{OTHER}/x.gbs"), b"").with("lost+found/x", b"");
    let scene =
        scene.with(&format!("\n{AFU}/x.gbs"), b"").with(&format!("{}/x.gbs", AFU.to_uppercase()), b"");
    assert_eq!(found(&scene, AFU), Err(format!("{none}{OTHER}")));
}

#[test]
fn a_missing_bitstream_is_told_with_those_that_are_there() {
    let scene = Scene::new();
    let scene = ["readme.txt", "A.gbs", "\nb.gbs", "c-d.aocx", ".gbs", "e.aocx.old"]
        .iter()
        .fold(scene, |scene, name| scene.with(&path(name), b""));
    let none = format!("no bitstream {AFU}.gbs or {AFU}.aocx in /srv/intel.com/fpga/{INTERFACE}, which has ");
    assert_eq!(found(&scene, AFU), Err(format!("{none}none")));
    let scene = (10..25).fold(scene, |scene, n| scene.with(&path(&format!("{n}.gbs")), b""));
    let shown: Vec<_> = (10..20).map(|n| format!("{n}.gbs")).collect();
    assert_eq!(found(&scene, AFU), Err(format!("{none}{} and 5 more", shown.join(", "))));
}

#[test]
fn a_missing_store_is_said_to_be_missing() {
    let scene = Scene::new();
    fs::remove_dir(scene.at("")).unwrap();
    let error = found(&scene, AFU).unwrap_err();
    assert!(error.starts_with("cannot open /srv/intel.com/fpga: No such file"), "{error}");
}

#[test]
fn a_link_leads_nowhere_outside_of_the_store() {
    let scene = Scene::new().with(&path("x"), b"").with("elsewhere/good.gbs", &gbs());
    let file = scene.at(path(&format!("{AFU}.gbs")));
    let outside = scene.root.path().join("outside.gbs");
    fs::write(&outside, gbs()).unwrap();
    for target in [outside.to_str().unwrap(), "../../../../outside.gbs", "/outside.gbs", "/proc/self/exe"] {
        symlink(target, &file).unwrap();
        let error = found(&scene, AFU).unwrap_err();
        assert!(error.ends_with(": a link leads out of the store"), "{target}: {error}");
        fs::remove_file(&file).unwrap();
    }
    symlink("../elsewhere/good.gbs", &file).unwrap();
    assert_eq!(found(&scene, AFU), Ok(Kind::Gbs));
}

#[test]
fn a_folder_of_an_interface_leads_nowhere_outside_of_the_store() {
    let scene = Scene::new();
    let outside = scene.root.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join(format!("{AFU}.gbs")), gbs()).unwrap();
    symlink("../../../outside", scene.at(INTERFACE)).unwrap();
    let error = found(&scene, AFU).unwrap_err();
    assert!(error.ends_with(": a link leads out of the store"), "{error}");
}

#[test]
fn what_is_no_plain_file_is_refused_at_once() {
    let scene = Scene::new().with(&path("x"), b"");
    let file = scene.at(path(&format!("{AFU}.gbs")));
    rustix::fs::mkfifoat(rustix::fs::CWD, &file, 0o644.into()).unwrap();
    let error = found(&scene, AFU).unwrap_err();
    assert!(error.ends_with(": not a plain file"), "{error}");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let error = found(&scene, AFU).unwrap_err();
    assert!(error.ends_with(": not a plain file"), "{error}");
}

#[test]
fn a_store_may_be_a_link_and_be_on_the_real_node() {
    let scene = Scene::new().with(&path(&format!("{AFU}.gbs")), &gbs());
    let link = scene.root.path().join("store");
    symlink(scene.at(""), &link).unwrap();
    let store = Store::new(&Host::real(), &link);
    let bitstream = store.find(id(INTERFACE), &name(AFU)).unwrap();
    assert!(bitstream.path().starts_with(&link));
    assert!(matches!(store.find(id(OTHER), &name(AFU)), Err(Error::NoInterface { .. })));
}
