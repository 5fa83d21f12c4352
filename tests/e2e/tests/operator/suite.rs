//! The operator suite of the Go implementation's end-to-end tests, on simulated hardware: objects with a configuration, the resources
//! that come of them, and a pod that gets one.

use e2e::pod;
use serde_json::json;

use crate::world::{NAMESPACE, World, object, plural, world};

impl World {
    /// Applies an object, waits until the node offers a resource, and has a pod get it.
    fn expect_resource(&self, family: &str, spec: &str, resource: &str) {
        self.apply(&object(family, "suite", spec));
        self.wait(&format!("{resource} of {spec}"), || {
            self.kubernetes.resources(resource).get(resource).filter(|(_, free)| *free > 0).copied()
        });
        self.expect_condition(family, "suite", "Degraded", "False", "");
        self.kubernetes.run(&pod("user", &[(resource, 1)], "true"), || self.state());
        self.kubernetes.delete("user");
    }

    fn expect_gone(&self, family: &str, resource: &str) {
        self.cluster.kubectl(&["delete", &plural(family), "suite", "--timeout=60s"]);
        self.wait(&format!("no {resource}"), || {
            self.kubernetes.resources(resource).values().all(|(_, free)| *free == 0).then_some(())
        });
    }

    fn qat_config(&self, services: &str) {
        let data = json!({"qat.conf": format!("ServicesEnabled={services}\n")});
        let metadata = json!({"name": "qat-config", "namespace": NAMESPACE});
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
        self.apply(&config.to_string());
    }
}

#[test]
fn qat_offers_the_services_that_its_config_map_names() {
    let Some(world) = world() else { return };
    let spec = r#"{"initImage": "intel/intel-qat-initcontainer:0.36.0", "provisioningConfig": "qat-config", "maxNumDevices": 16,
        "kernelVfDrivers": ["4xxxvf", "420xxvf"]}"#;
    world.boot();
    world.qat_config("sym;asym");
    world.expect_resource("qat", spec, "qat.intel.com/cy");
    // Virtual functions have to go first: nobody can tell on a simulated node whether a program has one open.
    world.boot();
    // The ConfigMap's change alone gives new pods, whose init container configures anew.
    world.qat_config("dc");
    world.expect_resource("qat", spec, "qat.intel.com/dc");
    world.wait("no services of before", || {
        let cy = world.kubernetes.resources("qat.intel.com/cy");
        cy.values().all(|(_, free)| *free == 0).then_some(())
    });
    world.expect_gone("qat", "qat.intel.com/dc");
    world.cluster.kubectl(&["delete", "-n", NAMESPACE, "configmap", "qat-config"]);
}

#[test]
fn dsa_and_iaa_offer_the_queues_that_their_config_maps_describe() {
    let Some(world) = world() else { return };
    world.boot();
    // IAA's devices have a name of their own.
    for (family, device) in [("dsa", "dsa"), ("iaa", "iax")] {
        // A shared queue, which the init container does not make by itself.
        let queues = format!(
            r#"[{{"dev": "{device}X", "groups": [{{"dev": "groupX.0", "grouped_engines": [{{"dev": "engineX.0"}}],
                "grouped_workqueues": [{{"dev": "wqX.0", "type": "user", "name": "one", "mode": "shared", "size": 16,
                    "threshold": 8, "priority": 10}}]}}]}}]"#
        );
        let literal = format!("--from-literal={family}.conf={queues}");
        world.cluster.kubectl(&["create", "-n", NAMESPACE, "configmap", "queues", &literal]);
        let spec = r#"{"initImage": "intel/intel-idxd-config-initcontainer:0.36.0", "provisioningConfig": "queues"}"#;
        let resource = format!("{family}.intel.com/wq-user-shared");
        world.expect_resource(family, spec, &resource);
        world.expect_gone(family, &resource);
        world.cluster.kubectl(&["delete", "-n", NAMESPACE, "configmap", "queues"]);
    }
}

#[test]
fn dsa_offers_whole_functions_for_vfio() {
    let Some(world) = world() else { return };
    world.boot();
    let init = r#""initImage": "intel/intel-idxd-config-initcontainer:0.36.0""#;
    world.expect_resource("dsa", &format!(r#"{{"driver": "vfio-pci", {init}}}"#), "dsa.intel.com/vfio");
    world.expect_gone("dsa", "dsa.intel.com/vfio");
    // And queues after the next boot.
    world.boot();
    world.expect_resource("dsa", &format!("{{{init}}}"), "dsa.intel.com/wq-user-dedicated");
    world.expect_gone("dsa", "dsa.intel.com/wq-user-dedicated");
}

#[test]
fn sgx_gives_enclaves_to_pods_that_ask_for_memory() {
    let Some(world) = world() else { return };
    // As NodeFeatureRules have it.
    let capacity = json!([{"op": "add", "path": "/status/capacity/sgx.intel.com~1epc", "value": "98566144"}]);
    world.kubernetes.ask("PATCH", "/api/v1/nodes/node-1/status", Some(&capacity)).unwrap();
    world.expect_resource("sgx", "{}", "sgx.intel.com/provision");
    world.expect_resource("sgx", "{}", "sgx.intel.com/epc");
    // The webhook adds what the pod did not ask for.
    let asks = serde_json::to_value(pod("user", &[("sgx.intel.com/epc", 1)], "true")).unwrap();
    let made = world.kubernetes.try_out("/api/v1/namespaces/default/pods", &asks).unwrap();
    let limits = &made["spec"]["containers"][0]["resources"]["limits"];
    assert_eq!(limits["sgx.intel.com/enclave"], "1", "{made}");
    world.expect_gone("sgx", "sgx.intel.com/enclave");
    let remove = json!([{"op": "remove", "path": "/status/capacity/sgx.intel.com~1epc"}]);
    world.kubernetes.ask("PATCH", "/api/v1/nodes/node-1/status", Some(&remove)).unwrap();
}
