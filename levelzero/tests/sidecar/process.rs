//! How the process begins and ends.

use std::fs;
use std::os::unix::net::UnixListener;

use crate::GPU;
use crate::scene::{Loader, Scene, Sidecar, loaders};

#[tokio::test]
async fn sigterm_ends_it_and_removes_the_socket() {
    for loader in loaders() {
        let scene = Scene::new(loader, &format!("device {GPU}"));
        let (mut sidecar, _client) = scene.start();
        sidecar.terminate();
        assert_eq!(sidecar.ended().code(), Some(0), "{loader:?}");
        assert!(!scene.path("socket").exists(), "{loader:?}");
    }
}

#[tokio::test]
async fn sigterm_ends_it_while_the_driver_hangs() {
    for loader in loaders() {
        let scene = Scene::new(loader, &format!("device {GPU} memory=1:1\nhang zesMemoryGetState"));
        let (mut sidecar, mut client) = scene.start();
        // By then the driver was called.
        assert!(client.health(GPU).await.is_err(), "{loader:?}");
        sidecar.terminate();
        assert_eq!(sidecar.ended().code(), Some(0), "{loader:?}");
        assert!(!scene.path("socket").exists(), "{loader:?}");
    }
}

#[tokio::test]
async fn the_socket_of_an_earlier_instance_is_replaced() {
    let scene = Scene::new(Loader::Newer, &format!("device {GPU}"));
    drop(UnixListener::bind(scene.path("socket")).unwrap());
    let (_sidecar, mut client) = scene.start();
    assert_eq!(client.health(GPU).await.unwrap().code(), 0);
}

#[test]
fn a_socket_without_a_folder_is_refused() {
    let scene = Scene::new(Loader::Newer, "");
    let mut command = scene.command();
    command.arg("-socket").arg(scene.path("none/socket"));
    let mut sidecar = Sidecar::spawn(command);
    let line = sidecar.wait_for("cannot listen");
    assert!(line.contains("none/socket") && line.ends_with(": make its folder first"), "{line}");
    assert_eq!(sidecar.ended().code(), Some(255));
}

#[test]
fn something_else_in_the_sockets_place_is_left_there() {
    let scene = Scene::new(Loader::Newer, "");
    fs::create_dir(scene.path("socket")).unwrap();
    let mut sidecar = Sidecar::spawn(scene.command());
    sidecar.wait_for("cannot remove the old");
    assert_eq!(sidecar.ended().code(), Some(255));
    assert!(scene.path("socket").is_dir());
}

#[test]
fn a_driver_that_cannot_begin_ends_it_with_the_reason() {
    for loader in loaders() {
        let call = loader.init();
        let scene = Scene::new(loader, &format!("fail {call} 0x70020000"));
        let mut sidecar = Sidecar::spawn(scene.command());
        sidecar.wait_for(&format!("Level Zero cannot be used: {call}: "));
        assert_eq!(sidecar.ended().code(), Some(255), "{loader:?}");
        assert!(!scene.path("socket").exists(), "{loader:?}");
    }
}

#[test]
fn a_loader_that_is_no_library_ends_it_with_the_reason() {
    let scene = Scene::new(Loader::Newer, "");
    fs::remove_file(scene.path("libze_loader.so.1")).unwrap();
    fs::write(scene.path("libze_loader.so.1"), "no library").unwrap();
    let mut sidecar = Sidecar::spawn(scene.command());
    let line = sidecar.wait_for("Level Zero's loader cannot be loaded");
    assert!(line.contains("libze_loader.so.1") && line.contains("libze1"), "{line}");
    assert_eq!(sidecar.ended().code(), Some(255));
}

#[test]
fn a_loader_without_calls_for_sysman_needs_its_variable() {
    for loader in loaders().into_iter().filter(|loader| loader.init() == "zeInit") {
        let scene = Scene::new(loader, "");
        let mut command = scene.command();
        command.env_remove("ZES_ENABLE_SYSMAN");
        let mut sidecar = Sidecar::spawn(command);
        sidecar.wait_for("this loader has no zesInit: start with ZES_ENABLE_SYSMAN=1");
        assert_eq!(sidecar.ended().code(), Some(255));
    }
}
