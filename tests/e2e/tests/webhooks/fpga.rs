//! FPGA: the cases of the Go implementation's own end-to-end tests, and a pod that really runs.

use e2e::pod as running_pod;
use serde_json::{Value, json};

use crate::world::{Deployed, pod, world};

pub(crate) const WEBHOOK: Deployed = Deployed {
    folder: "fpga_admissionwebhook/default",
    namespace: "intelfpgawebhook-system",
    prefix: "intelfpgawebhook-",
};
const MAPPINGS: &str = "deployments/fpga_admissionwebhook/mappings-collection.yaml";

/// A pod that the webhook has to change, where the mappings are.
pub(crate) fn concerned() -> Value {
    pod("concerned", &[("main", &[("fpga.intel.com/d5005-nlb3-preprogrammed", "1")])])
}

#[test]
fn fpga() {
    let Some(world) = world() else { return };
    world.cluster.kubectl(&["apply", "-k", &format!("deployments/{}", WEBHOOK.folder)]);
    world.wait_for_rollout(WEBHOOK);
    world.cluster.kubectl(&["apply", "-f", MAPPINGS]);
    world.wait_until_changed(&concerned());

    let cases = [
        ("d5005-nlb3-preprogrammed", "af-bfa.f7d.v6xNhR7oVv6MlYZc4buqLfffQFy9es9yIvFEsLk6zRg", 0),
        ("arria10.dcp1.0-nlb0-orchestrated", "region-ce48969398f05f33946d560708be108a", 2),
        ("arria10.dcp1.0", "region-ce48969398f05f33946d560708be108a", 0),
    ];
    for (name, real, variables) in cases {
        let (name, real) = (format!("fpga.intel.com/{name}"), format!("fpga.intel.com/{real}"));
        let created = world.accepted(&pod("webhook-tester", &[("test", &[(&name, "1"), ("cpu", "1")])]));
        let container = &created["spec"]["containers"][0];
        for which in ["limits", "requests"] {
            let expected = json!({"cpu": "1", &real: "1"});
            assert_eq!(container["resources"][which], expected, "{name}");
        }
        assert_eq!(container["env"].as_array().map_or(0, Vec::len), variables, "{name}: {container}");
        // The API server may ask again.
        let again = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "again"},
            "spec": created["spec"],
        });
        assert_eq!(world.accepted(&again)["spec"], created["spec"], "{name}");
    }

    // Mappings are their namespace's own.
    world.cluster.kubectl(&["create", "namespace", "elsewhere"]);
    let refusal = world.refused("elsewhere", &concerned());
    for part in ["concerned", "main", "d5005-nlb3-preprogrammed", "elsewhere"] {
        assert!(refusal.contains(part), "{part:?} is not in {refusal}");
    }
    let real = [("fpga.intel.com/region-ce48969398f05f33946d560708be108a", "1")];
    world.refused("elsewhere", &pod("real", &[("main", &real)]));
    world.cluster.kubectl(&["delete", "namespace", "elsewhere", "--timeout=60s"]);

    // A mapping that changes, and one that goes, are seen at once.
    let mode = json!({"spec": {"mode": "region"}}).to_string();
    let name = "af/d5005-nlb3-preprogrammed";
    world.cluster.kubectl(&["patch", name, "--type=merge", "-p", &mode]);
    let region = "fpga.intel.com/region-bfac4d851ee856fe8c95865ce1bbaa2d";
    world.kubernetes.wait_for(
        region,
        || world.state(),
        || {
            let created = world.accepted(&concerned());
            created["spec"]["containers"][0]["resources"]["limits"].get(region).map(|_| ())
        },
    );
    world.cluster.kubectl(&["delete", name]);
    world.kubernetes.wait_for(
        "a refusal",
        || world.state(),
        || world.try_in("default", &concerned()).err().filter(|error| error.contains("denied the request")),
    );
    world.cluster.kubectl(&["apply", "-f", MAPPINGS]);
    world.wait_until_changed(&concerned());

    // Objects that the API server must not take.
    let bad = json!({
        "apiVersion": "fpga.intel.com/v2",
        "kind": "AcceleratorFunction",
        "metadata": {"name": "bad"},
        "spec": {"afuId": "d8424dc4a4a3c413f89e433683f9040b", "interfaceId": "DEADBEEF", "mode": "af"},
    });
    let list = "/apis/fpga.intel.com/v2/namespaces/default/acceleratorfunctions";
    let refusal = world.kubernetes.try_out(list, &bad).unwrap_err();
    assert!(refusal.contains("spec.interfaceId"), "{refusal}");

    // A plugin on the node: the pod runs with its device.
    world.cluster.kubectl(&["apply", "-k", "deployments/fpga_plugin/base"]);
    let rollout = ["rollout", "status", "-n", "system", "daemonset/intel-fpga-plugin", "--timeout=110s"];
    world.cluster.kubectl(&rollout);
    let look = "cd /dev; ls | grep fpga; echo end";
    let name = "fpga.intel.com/arria10.dcp1.2-nlb0-preprogrammed";
    world.kubernetes.run(&running_pod("function", &[(name, 1)], look), || world.state());
    assert_eq!(world.kubernetes.output("function"), "intel-fpga-port.0\n");
    world.kubernetes.delete("function");
    world.cluster.kubectl(&["delete", "-k", "deployments/fpga_plugin/base", "--timeout=60s"]);
    world.cluster.kubectl(&["delete", "-f", MAPPINGS]);
    world.remove(WEBHOOK);
}
