//! What becomes of images when the operator was replaced itself.

use serde_json::{Value, json};

use crate::fake::OBJECTS;
use crate::world::World;

const OLD: &str = "registry.example.com:5000/intel-example-plugin:0.35.0";
const NEW: &str = "registry.example.com:5000/intel-example-plugin:0.36.0";
const OLD_INIT: &str = "intel/intel-example-initcontainer:0.34.1";
const NEW_INIT: &str = "intel/intel-example-initcontainer:0.36.0";

fn images(world: &World) -> (Value, Value) {
    let pod = world.daemonset("a")["spec"]["template"]["spec"].clone();
    (pod["containers"][0]["image"].clone(), pod["initContainers"][0]["image"].clone())
}

fn named(world: &World) -> (Value, Value) {
    let object = world.api.get(OBJECTS, "a").unwrap();
    (object["spec"]["image"].clone(), object["spec"]["initImage"].clone())
}

#[tokio::test(start_paused = true)]
async fn old_images_are_replaced_in_the_daemonset_and_in_the_object() {
    let mut world = World::with_object(json!({"image": OLD, "initImage": OLD_INIT, "logLevel": 2})).await;
    assert_eq!(images(&world), (json!(NEW), json!(NEW_INIT)));
    assert_eq!(named(&world), (json!(NEW), json!(NEW_INIT)));
    assert_eq!(world.api.get(OBJECTS, "a").unwrap()["spec"]["logLevel"], 2);
    assert_eq!(world.api.events(), ["Normal DaemonSetCreated a", "Normal ImageUpgraded a"]);
    assert_eq!(world.status("a")["observedGeneration"], 2);
    world.is_steady().await;
}

#[tokio::test(start_paused = true)]
async fn images_that_are_no_older_stay() {
    for image in [
        "intel/intel-example-plugin:0.37.0",
        "intel/intel-example-plugin:devel",
        "intel/intel-example-plugin",
    ] {
        let mut world = World::with_object(json!({"image": image})).await;
        assert_eq!(images(&world).0, image);
        assert_eq!(named(&world).0, image);
        world.is_steady().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_environment_variable_names_the_image() {
    let wanted = format!("registry.example.com/intel-example-plugin@sha256:{}", "0".repeat(64));
    let mut world = World::empty();
    world.overrides.insert("INTEL_EXAMPLE_PLUGIN_SHA".to_owned(), wanted.clone());
    world.object("a", json!({}));
    world.start(controller::Fence::open()).await;
    assert_eq!(images(&world).0, wanted.as_str());
    assert_eq!(named(&world).0, wanted.as_str());
    world.is_steady().await;
}

fn refuse_upgrades(world: &World) {
    let refused = "admission webhook \"x\" denied the request: no";
    world.api.fail("patch exampledeviceplugins/a", 403, refused, 1000);
}

#[tokio::test(start_paused = true)]
async fn the_daemonset_is_upgraded_even_when_the_object_cannot_be() {
    let mut world = World::empty();
    world.object("a", json!({"image": OLD}));
    refuse_upgrades(&world);
    world.start(controller::Fence::open()).await;
    assert_eq!(images(&world).0, NEW);
    assert_eq!(named(&world).0, OLD);
    assert_eq!(world.condition("a", "Degraded"), "True ImageUpgradeFailed");
    assert!(world.message("a").contains("denied the request: no"), "{}", world.message("a"));
    assert_eq!(world.api.events(), ["Normal DaemonSetCreated a", "Warning ImageUpgradeFailed a"]);

    // The pauses grow; what else happens does not shorten them.
    world.api.writes();
    for ready in 0..20 {
        world.pods_are("a", 30, 30, ready);
        world.pass(60).await;
    }
    let tries = world.api.writes().iter().filter(|write| *write == "patch exampledeviceplugins/a").count();
    assert!((3..10).contains(&tries), "{tries}");
    world.api.heal();
    world.pass(700).await;
    assert_eq!(named(&world).0, NEW);
    assert_eq!(world.condition("a", "Degraded"), "False AsExpected");
    assert_eq!(world.api.events(), ["Normal ImageUpgraded a"]);
    world.is_steady().await;
}

#[tokio::test(start_paused = true)]
async fn a_namesake_of_a_deleted_object_does_not_wait_for_what_that_one_was_refused() {
    let mut world = World::empty();
    world.object("a", json!({"image": OLD}));
    refuse_upgrades(&world);
    world.start(controller::Fence::open()).await;
    world.pass(1200).await;
    world.api.heal();
    world.api.delete(OBJECTS, "a");
    world.object("a", json!({"image": OLD}));
    world.settle().await;
    assert_eq!(named(&world).0, NEW);
}
