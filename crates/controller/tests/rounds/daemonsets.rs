//! How DaemonSets are made, adopted and kept.

use serde_json::{Value, json};

use crate::fake::{CONFIG_MAPS, DAEMONSETS, OBJECTS};
use crate::world::{World, daemonset_of};

const APPLY: &str = "apply daemonsets/intel-example-plugin-a";
const TAKE_OVER: &str = "patch daemonsets/intel-example-plugin-a";
const STATUS: &str = "patch exampledeviceplugins/a/status";
const ROLLED: &str = "/spec/template/metadata/annotations/deviceplugin.intel.com~1config-map";

/// A DaemonSet as the Go implementation makes it, with the managed fields that Kubernetes 1.36 gave it.
fn made_by_go(owner: &Value) -> Value {
    let mut daemonset: Value = serde_json::from_str(include_str!("objects/made-by-go.json")).unwrap();
    daemonset["metadata"]["ownerReferences"][0]["uid"] = owner["metadata"]["uid"].clone();
    daemonset
}

#[tokio::test(start_paused = true)]
async fn an_object_gets_its_daemonset_and_a_status() {
    let mut world = World::with_object(json!({"logLevel": 3})).await;
    let daemonset = world.daemonset("a");
    let object = world.api.get(OBJECTS, "a").unwrap();
    let owner = json!([{"apiVersion": "deviceplugin.intel.com/v1", "kind": "ExampleDevicePlugin", "name": "a",
        "uid": object["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true}]);
    assert_eq!(daemonset["metadata"]["ownerReferences"], owner);
    assert_eq!(daemonset["metadata"]["namespace"], "devices");
    assert_eq!(daemonset["spec"]["template"]["spec"]["containers"][0]["args"], json!(["-v", "3"]));
    assert_eq!(world.status("a")["controlledDaemonSet"]["uid"], daemonset["metadata"]["uid"]);
    assert_eq!(world.status("a")["observedGeneration"], 1);
    assert_eq!(world.api.writes(), [APPLY, "create events", STATUS]);
    assert_eq!(world.api.events(), ["Normal DaemonSetCreated a"]);
    world.is_steady().await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_object_changes_its_daemonset_and_what_it_no_longer_says_goes() {
    let mut world = World::with_object(json!({"initImage": "intel/intel-example-initcontainer:0.36.0",
        "tolerations": [{"key": "a", "operator": "Exists"}], "env": [{"name": "X", "value": ""}]}))
    .await;
    let pod = |world: &World| world.daemonset("a")["spec"]["template"]["spec"].clone();
    assert_eq!(pod(&world)["initContainers"][0]["name"], "init");
    assert_eq!(pod(&world)["containers"][0]["env"].as_array().unwrap().len(), 2);
    world.is_steady().await;
    world.edit("a", |spec| {
        *spec = json!({"image": "intel/intel-example-plugin:0.37.0", "nodeSelector": {"kind": "x"}});
    });
    world.settle().await;
    let after = pod(&world);
    assert_eq!(after["containers"][0]["image"], "intel/intel-example-plugin:0.37.0");
    assert_eq!(after["nodeSelector"], json!({"kind": "x"}));
    assert_eq!((&after["initContainers"], &after["tolerations"]), (&Value::Null, &Value::Null));
    assert_eq!(after["containers"][0]["env"].as_array().unwrap().len(), 1);
    world.is_steady().await;
}

#[tokio::test(start_paused = true)]
async fn whatever_others_change_is_put_right() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 9] = [
        ("a volume is removed", |d| {
            drop(d["spec"]["template"]["spec"]["volumes"].as_array_mut().unwrap().pop());
        }),
        ("a volume is added", |d| {
            d["spec"]["template"]["spec"]["volumes"]
                .as_array_mut()
                .unwrap()
                .push(json!({"name": "x", "emptyDir": {}}));
        }),
        ("the image", |d| d["spec"]["template"]["spec"]["containers"][0]["image"] = json!("evil:1")),
        ("the resources", |d| {
            d["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] = json!("1Gi");
        }),
        ("the security", |d| d["spec"]["template"]["spec"]["hostNetwork"] = json!(true)),
        ("a container is added", |d| {
            d["spec"]["template"]["spec"]["containers"]
                .as_array_mut()
                .unwrap()
                .push(json!({"name": "y", "image": "evil:2"}));
        }),
        ("the strategy", |d| d["spec"]["updateStrategy"] = json!({"type": "OnDelete"})),
        ("the label by which it is watched", |d| d["metadata"]["labels"] = json!({})),
        ("the managed fields, and more", |d| {
            d["metadata"]["managedFields"] = json!([]);
            d["spec"]["template"]["spec"]["hostPID"] = json!(true);
        }),
    ];
    let mut world = World::with_object(json!({})).await;
    let (spec, labels) =
        (world.daemonset("a")["spec"].clone(), world.daemonset("a")["metadata"]["labels"].clone());
    for (what, change) in cases {
        world.meddle("a", change);
        world.settle().await;
        assert_eq!(world.daemonset("a")["spec"], spec, "{what}");
        assert_eq!(world.daemonset("a")["metadata"]["labels"], labels, "{what}");
        world.is_steady().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_ours_is_left_alone() {
    let mut world = World::with_object(json!({})).await;
    world.meddle("a", |daemonset| {
        daemonset["metadata"]["annotations"] = json!({"example.com/note": "mine"});
        let entry = json!({"manager": "kubectl-rollout", "operation": "Update", "apiVersion": "apps/v1", "fieldsV1":
            {"f:spec": {"f:template": {"f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}}}}}});
        daemonset["metadata"]["managedFields"].as_array_mut().unwrap().push(entry);
    });
    let restarted = json!({"kubectl.kubernetes.io/restartedAt": "2026-01-02T03:04:05Z"});
    world.api.writes();
    world.api.edit("kubectl-rollout", DAEMONSETS, &daemonset_of("a"), |daemonset| {
        daemonset["spec"]["template"]["metadata"]["annotations"] = restarted.clone();
        // The helper adds an entry that is coarser than kubectl's, which is there already.
    });
    world.edit("a", |spec| spec["logLevel"] = json!(1));
    world.settle().await;
    let daemonset = world.daemonset("a");
    assert_eq!(daemonset["spec"]["template"]["metadata"]["annotations"], restarted);
    assert_eq!(daemonset["metadata"]["annotations"], json!({"example.com/note": "mine"}));
    assert_eq!(daemonset["spec"]["template"]["spec"]["containers"][0]["args"], json!(["-v", "1"]));
    world.is_steady().await;
}

#[tokio::test(start_paused = true)]
async fn a_daemonset_of_the_go_implementation_is_adopted_without_touching_its_pods() {
    let mut world = World::empty();
    let object = world.object("a", json!({}));
    // In another order: that alone would have pods replaced.
    let mut before = made_by_go(&object);
    before["spec"]["template"]["spec"]["volumes"].as_array_mut().unwrap().reverse();
    let before = world.api.create(DAEMONSETS, before);
    world.start(controller::Fence::open()).await;
    assert_eq!(world.api.writes(), [TAKE_OVER, APPLY, STATUS]);
    let after = world.daemonset("a");
    assert_eq!(after["spec"], before["spec"]);
    assert_eq!(after["metadata"]["generation"], 1);
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    let managers = after["metadata"]["managedFields"].as_array().unwrap().iter();
    let of_spec: Vec<&Value> = managers
        .filter(|entry| entry["fieldsV1"]["f:spec"].is_object())
        .map(|entry| &entry["manager"])
        .collect();
    assert_eq!(of_spec, ["intel-device-plugins-operator"]);
    world.is_steady().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_go_implementation_left_in_a_daemonset_goes() {
    let mut world = World::empty();
    let object = world.object("a", json!({}));
    let mut before = made_by_go(&object);
    let pod = &mut before["spec"]["template"]["spec"];
    pod["volumes"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "nfd-sources", "hostPath": {"path": "/etc/x", "type": ""}}));
    pod["containers"][0]["resources"]["limits"]["memory"] = json!("30Mi");
    let fields = &mut before["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:volumes"];
    fields["k:{\"name\":\"nfd-sources\"}"] =
        json!({".": {}, "f:name": {}, "f:hostPath": {".": {}, "f:path": {}, "f:type": {}}});
    world.api.create(DAEMONSETS, before);
    world.start(controller::Fence::open()).await;
    let after = world.daemonset("a");
    let pod = &after["spec"]["template"]["spec"];
    assert_eq!(pod["volumes"].as_array().unwrap().len(), 2, "{pod}");
    assert_eq!(pod["containers"][0]["resources"]["limits"]["memory"], "40Mi");
    assert_eq!(after["metadata"]["generation"], 2);
    world.is_steady().await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_object_is_done() {
    let mut world = World::with_object(json!({})).await;
    world.settle().await;
    world.api.writes();
    world.api.delete(OBJECTS, "a");
    world.settle().await;
    // As the garbage collector does.
    world.api.delete(DAEMONSETS, &daemonset_of("a"));
    world.settle().await;
    assert_eq!(world.api.writes(), [""; 0]);
    assert!(!world.metrics.render().contains("result=\"error\""));
    world.is_steady().await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_waits_for_its_dependents_to_go_gets_no_new_daemonset() {
    let world = World::with_object(json!({})).await;
    world.api.writes();
    world.api.edit("kubectl", OBJECTS, "a", |object| {
        object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
    });
    world.api.delete(DAEMONSETS, &daemonset_of("a"));
    world.settle().await;
    assert_eq!(world.api.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_daemonset_is_made_again() {
    let mut world = World::with_object(json!({})).await;
    let before = world.daemonset("a");
    world.api.delete(DAEMONSETS, &daemonset_of("a"));
    world.settle().await;
    assert_ne!(world.daemonset("a")["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(world.status("a")["controlledDaemonSet"]["uid"], world.daemonset("a")["metadata"]["uid"]);
    world.is_steady().await;
}

#[tokio::test(start_paused = true)]
async fn pods_are_replaced_when_the_config_map_changes_and_only_then() {
    let mut world = World::with_object(json!({"config": "c"})).await;
    assert_eq!(world.condition("a", "Degraded"), "True ConfigMapMissing");
    assert!(world.message("a").contains("\"c\" in namespace \"devices\""), "{}", world.message("a"));

    world.config_map("c", "one");
    world.settle().await;
    assert_eq!(world.condition("a", "Degraded"), "False AsExpected");
    assert_eq!(world.daemonset("a")["metadata"]["generation"], 1);
    world.is_steady().await;

    world.api.edit("kubectl", CONFIG_MAPS, "c", |map| map["metadata"]["labels"] = json!({"x": "y"}));
    world.is_steady().await;
    assert_eq!(world.daemonset("a")["metadata"]["generation"], 1);

    world.api.edit("kubectl", CONFIG_MAPS, "c", |map| map["data"]["conf"] = json!("two"));
    world.settle().await;
    let rolled = world.daemonset("a");
    assert_eq!(rolled["metadata"]["generation"], 2);
    assert!(rolled.pointer(ROLLED).is_some(), "{rolled}");
    world.is_steady().await;

    world.api.delete(CONFIG_MAPS, "c");
    world.settle().await;
    assert_eq!(world.condition("a", "Degraded"), "True ConfigMapMissing");
    assert_eq!(world.daemonset("a")["spec"], rolled["spec"]);
    world.config_map("c", "two");
    world.settle().await;
    assert_eq!(world.daemonset("a")["spec"], rolled["spec"]);

    world.edit("a", |spec| spec["config"] = json!(""));
    world.settle().await;
    assert!(world.daemonset("a").pointer(ROLLED).is_none());
    world.is_steady().await;
}

#[tokio::test(start_paused = true)]
async fn a_config_map_that_changed_while_no_operator_ran_has_pods_replaced() {
    let mut world = World::empty();
    world.object("a", json!({"config": "c"}));
    world.config_map("c", "one");
    world.start(controller::Fence::open()).await;
    world.stop();
    world.api.edit("kubectl", CONFIG_MAPS, "c", |map| map["data"]["conf"] = json!("two"));
    world.start(controller::Fence::open()).await;
    assert_eq!(world.daemonset("a")["metadata"]["generation"], 2);
}
