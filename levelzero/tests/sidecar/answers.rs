//! What is answered about devices whose driver works.

use crate::client::{Failure, Health};
use crate::scene::{Scene, loaders};
use crate::{GPU, INTEGRATED, OTHER};

const GOOD: Health = Health {
    memory_ok: true,
    bus_ok: true,
    soc_ok: true,
    error: Some(Failure { description: String::new(), code: 0 }),
};

#[tokio::test]
async fn a_gpu_that_works_is_good_in_all_parts_and_the_error_is_there_and_empty() {
    for loader in loaders() {
        let scene = Scene::new(loader, &format!("device {GPU} memory=1:1024,2:1024 link=1:0"));
        let (_sidecar, mut client) = scene.start();
        assert_eq!(client.health(GPU).await.unwrap(), GOOD, "{loader:?}");
    }
}

#[tokio::test]
async fn each_bad_part_is_told() {
    for loader in loaders() {
        let scene = Scene::new(loader, &format!("device {GPU} memory=1:1024,3:1024"));
        let (_sidecar, mut client) = scene.start();
        assert_eq!(client.health(GPU).await.unwrap().parts(), [false, true, true], "{loader:?}");
        scene.driver_is(&format!("device {GPU} memory=1:1024 link=2:2"));
        assert_eq!(client.health(GPU).await.unwrap().parts(), [true, false, true], "{loader:?}");
    }
}

#[tokio::test]
async fn the_memory_of_an_integrated_gpu_is_the_machines() {
    for loader in loaders() {
        let scene = Scene::new(loader, &format!("device {INTEGRATED} integrated=1 memory=4:1024"));
        let (_sidecar, mut client) = scene.start();
        assert_eq!(client.health(INTEGRATED).await.unwrap(), GOOD, "{loader:?}");
        assert_eq!(client.memory(INTEGRATED).await.unwrap().bytes, 0, "{loader:?}");
    }
}

#[tokio::test]
async fn the_memory_of_a_gpu_is_that_of_all_its_modules() {
    for loader in loaders() {
        let scene = Scene::new(loader, &format!("device {GPU} memory=1:17179869184,1:17179869184"));
        let (_sidecar, mut client) = scene.start();
        let amount = client.memory(GPU).await.unwrap();
        assert_eq!((amount.bytes, amount.error.unwrap().code), (34_359_738_368, 0), "{loader:?}");
    }
}

#[tokio::test]
async fn temperatures_are_the_hottest_of_their_kind() {
    for loader in loaders() {
        let state = format!("device {GPU} temperature=0:50.5,1:61,1:63.25,2:40,3:99");
        let scene = Scene::new(loader, &state);
        let (_sidecar, mut client) = scene.start();
        let found = client.temperature(GPU).await.unwrap();
        assert_eq!(found.shown(), "50.5 63.25 40", "{loader:?}");
        assert_eq!(found.error.unwrap().code, 0, "{loader:?}");
    }
}

#[tokio::test]
async fn a_sensor_that_is_missing_reads_as_very_cold_with_an_error() {
    for loader in loaders() {
        let scene = Scene::new(loader, &format!("device {GPU} temperature=1:61"));
        let (_sidecar, mut client) = scene.start();
        let found = client.temperature(GPU).await.unwrap();
        assert_eq!(found.shown(), "-999 61 -999", "{loader:?}");
        let error = found.error.unwrap();
        assert_eq!(error.code, 0x7001_0001, "{loader:?}");
        assert_eq!(
            error.description,
            format!("{GPU} has no temperature sensor: global, memory"),
            "{loader:?}"
        );
    }
}

#[tokio::test]
async fn devices_of_all_drivers_are_known_and_told_apart() {
    for loader in loaders() {
        let state = format!(
            "device {INTEGRATED} integrated=1\ndevice {OTHER} vendor=0x1234\ndevice {GPU} driver=1 memory=3:1"
        );
        let scene = Scene::new(loader, &state);
        let (_sidecar, mut client) = scene.start();
        assert_eq!(client.health(INTEGRATED).await.unwrap(), GOOD, "{loader:?}");
        assert_eq!(client.health(GPU).await.unwrap().parts(), [false, true, true], "{loader:?}");
        assert_eq!(client.indices().await.unwrap().indices, [0, 2], "{loader:?}");
    }
}

#[tokio::test]
async fn an_address_that_is_none_or_not_there_is_an_error_and_no_bad_device() {
    for loader in loaders() {
        let scene = Scene::new(loader, &format!("device {GPU}"));
        let (_sidecar, mut client) = scene.start();
        let health = client.health(OTHER).await.unwrap();
        assert_eq!((health.parts(), health.code()), ([true; 3], 0x7fff_fffe), "{loader:?}");
        assert_eq!(health.description(), format!("Level Zero knows of no device at {OTHER}"), "{loader:?}");
        let health = client.health("card0").await.unwrap();
        assert_eq!((health.parts(), health.code()), ([true; 3], 0x7800_0004), "{loader:?}");
    }
}
