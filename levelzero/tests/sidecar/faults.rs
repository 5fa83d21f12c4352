//! Drivers that fail, hang or have no devices.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tonic::Code;

use crate::client::Client;
use crate::scene::{Loader, Scene, Sidecar, loaders};
use crate::{GPU, OTHER, PATIENCE};

#[tokio::test]
async fn what_cannot_be_read_is_an_error_and_not_bad() {
    for loader in loaders() {
        let state = format!("device {GPU} memory=1:1024\nfail zesMemoryGetState 0x70010000");
        let scene = Scene::new(loader, &state);
        let (_sidecar, mut client) = scene.start();
        let health = client.health(GPU).await.unwrap();
        assert_eq!(health.parts(), [true; 3], "{loader:?}");
        assert_eq!(
            health.description(),
            "zesMemoryGetState: insufficient permissions (0x70010000)",
            "{loader:?}"
        );
        let amount = client.memory(GPU).await.unwrap();
        assert_eq!((amount.bytes, amount.error.unwrap().code), (0, 0x7001_0000), "{loader:?}");
    }
}

#[tokio::test]
async fn a_driver_without_the_state_of_the_bus_is_no_error() {
    for loader in loaders() {
        let state = format!("device {GPU}\nfail zesDevicePciGetState 0x78000003");
        let scene = Scene::new(loader, &state);
        let (_sidecar, mut client) = scene.start();
        let health = client.health(GPU).await.unwrap();
        assert_eq!((health.parts(), health.code()), ([true; 3], 0), "{loader:?}");
    }
}

#[tokio::test]
async fn a_lost_device_is_bad_until_it_is_back() {
    for loader in loaders() {
        let works = format!("device {GPU} memory=1:1024");
        let scene = Scene::new(loader, &format!("{works}\nfail zesMemoryGetState 0x70000001"));
        let (_sidecar, mut client) = scene.start();
        for _ in 0..2 {
            let health = client.health(GPU).await.unwrap();
            assert_eq!((health.parts(), health.code()), ([true, true, false], 0x7000_0001), "{loader:?}");
        }
        scene.driver_is(&works);
        let health = client.health(GPU).await.unwrap();
        assert_eq!((health.parts(), health.code()), ([true; 3], 0), "{loader:?}");
    }
}

#[tokio::test]
async fn a_sensor_that_fails_leaves_the_others() {
    for loader in loaders() {
        let state = format!("device {GPU} temperature=0:50\nfail zesTemperatureGetState 0x70000007");
        let scene = Scene::new(loader, &state);
        let (_sidecar, mut client) = scene.start();
        let found = client.temperature(GPU).await.unwrap();
        assert_eq!(found.shown(), "-999 -999 -999", "{loader:?}");
        let error = found.error.unwrap();
        assert_eq!(error.description, "zesTemperatureGetState: device in low power state (0x70000007)");
    }
}

#[tokio::test]
async fn a_hung_driver_makes_its_device_unhealthy_and_the_sidecar_goes_on() {
    for loader in loaders() {
        let devices = format!("device {GPU} memory=1:1024\ndevice {OTHER} memory=1:1024");
        let scene = Scene::new(loader, &devices);
        let (mut sidecar, mut client) = scene.start();
        assert_eq!(client.health(OTHER).await.unwrap().parts(), [true; 3], "{loader:?}");
        scene.driver_is(&format!("{devices}\nhang zesMemoryGetState"));
        // At first it may only be slow.
        let health = loop {
            match client.health(GPU).await {
                Ok(health) => break health,
                Err(status) => assert_eq!(status.message(), "Level Zero has not answered yet", "{loader:?}"),
            }
        };
        assert_eq!((health.parts(), health.code()), ([true, true, false], 0x7000_0001), "{loader:?}");
        assert_eq!(health.description(), format!("the driver hangs, asked about {GPU}"), "{loader:?}");
        let status = client.health(OTHER).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{loader:?}: {status}");
        assert_eq!(client.temperature(GPU).await.unwrap_err().code(), Code::Unavailable, "{loader:?}");
        assert_eq!(client.indices().await.unwrap_err().code(), Code::Unavailable, "{loader:?}");
        scene.driver_is(&devices);
        scene.release();
        sidecar.wait_for("the driver answers again");
        for gpu in [GPU, OTHER] {
            assert_eq!(client.health(gpu).await.unwrap().parts(), [true; 3], "{loader:?}");
        }
    }
}

#[tokio::test]
async fn a_start_that_takes_long_leaves_questions_open() {
    for loader in loaders() {
        let call = loader.init();
        let works = format!("device {GPU}");
        let scene = Scene::new(loader, &format!("{works}\nhang {call}"));
        let mut sidecar = Sidecar::spawn(scene.command());
        sidecar.wait_for("serving");
        let mut client = Client::of(&scene.path("socket"));
        let status = client.health(GPU).await.unwrap_err();
        assert_eq!(status.message(), "Level Zero has not answered yet", "{loader:?}");
        scene.driver_is(&works);
        scene.release();
        sidecar.wait_for("Level Zero is ready");
        assert_eq!(client.health(GPU).await.unwrap().code(), 0, "{loader:?}");
    }
}

#[tokio::test]
async fn without_devices_questions_have_errors_and_a_device_that_comes_is_found() {
    for loader in loaders() {
        let scene = Scene::new(loader, "");
        let (_sidecar, mut client) = scene.start();
        let health = client.health(GPU).await.unwrap();
        assert_eq!((health.parts(), health.code()), ([true; 3], 0x7001_0001), "{loader:?}");
        let indices = client.indices().await.unwrap();
        // Newer loaders say that nothing is initialised, others leave it to the driver.
        let code = indices.error.unwrap().code;
        assert!(
            indices.indices.is_empty() && [0x7000_0001, 0x7800_0001].contains(&code),
            "{loader:?}: {code:#x}"
        );
        scene.driver_is(&format!("device {GPU} memory=1:1024"));
        // Not found at once, for the devices are not listed at every question.
        let found = async {
            while client.health(GPU).await.unwrap().code() != 0 {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(PATIENCE, found).await.expect("the device is not found");
        assert_eq!(client.memory(GPU).await.unwrap().bytes, 1024, "{loader:?}");
    }
}

#[tokio::test]
async fn under_windows_sysman_is_left_alone_until_it_is_asked_for() {
    let scene = Scene::new(Loader::Newer, &format!("device {GPU}\nfail zesInit 0x70020000"));
    let mut command = scene.command();
    command.arg("-wsl");
    let mut sidecar = Sidecar::spawn(command);
    sidecar.wait_for("Level Zero is ready");
    let mut client = Client::of(&scene.path("socket"));
    assert_eq!(client.indices().await.unwrap().indices, [0]);
    let health = client.health(GPU).await.unwrap();
    assert_eq!(health.description(), "zesInit: dependency unavailable (0x70020000)");
}
