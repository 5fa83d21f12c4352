//! SGX: the cases of the Go implementation's own end-to-end tests, and a pod that really runs.

use e2e::pod as running_pod;
use serde_json::{Value, json};

use crate::demos;
use crate::world::{Deployed, container, pod, world};

pub(crate) const WEBHOOK: Deployed = Deployed {
    folder: "sgx_admissionwebhook/default",
    namespace: "intelsgxwebhook-system",
    prefix: "intelsgxwebhook-",
};
const EPC: &str = "sgx.intel.com/epc";
const ENCLAVE: &str = "sgx.intel.com/enclave";
const PROVISION: &str = "sgx.intel.com/provision";
const MEBIBYTE: &[(&str, &str)] = &[(EPC, "1Mi")];

/// A pod with this quote provider, all of whose containers ask for 1 MiB.
#[derive(Debug)]
struct Case {
    provider: &'static str,
    containers: &'static [&'static str],
    /// The container that may use the provisioning key.
    provisioned: &'static str,
    /// What kind of volume the socket is in.
    volume: Option<&'static str>,
    sum: &'static str,
}

/// A pod that the webhook has to change.
pub(crate) fn concerned() -> Value {
    pod("concerned", &[("main", MEBIBYTE)])
}

fn quoting(provider: &str, containers: &[&str]) -> Value {
    let containers: Vec<(&str, &[(&str, &str)])> = containers.iter().map(|name| (*name, MEBIBYTE)).collect();
    let mut pod = pod("webhook-tester-pod", &containers);
    pod["metadata"]["annotations"] = json!({"sgx.intel.com/quote-provider": provider});
    pod
}

/// The amount of a resource, where limits and requests agree.
fn amount<'a>(container: &'a Value, resource: &str) -> Option<&'a str> {
    let of = |which: &str| container["resources"][which].get(resource).and_then(Value::as_str);
    assert_eq!(of("limits"), of("requests"), "{resource} of {container}");
    of("limits")
}

fn named<'a>(list: &'a Value, name: &str) -> Vec<&'a Value> {
    list.as_array().into_iter().flatten().filter(|element| element["name"] == name).collect()
}

#[test]
fn sgx() {
    let Some(world) = world() else { return };
    world.install(WEBHOOK, &concerned());

    let cases = [
        Case { provider: "", containers: &["test"], provisioned: "", volume: None, sum: "1Mi" },
        Case { provider: "test", containers: &["test"], provisioned: "test", volume: None, sum: "1Mi" },
        Case {
            provider: "aesmd",
            containers: &["test", "aesmd"],
            provisioned: "aesmd",
            volume: Some("emptyDir"),
            sum: "2Mi",
        },
        Case {
            provider: "aesmd",
            containers: &["test"],
            provisioned: "",
            volume: Some("hostPath"),
            sum: "1Mi",
        },
        Case {
            provider: "aesmd",
            containers: &["test1", "test2", "test3"],
            provisioned: "",
            volume: Some("hostPath"),
            sum: "3Mi",
        },
    ];
    for case in cases {
        let created = world.accepted(&quoting(case.provider, case.containers));
        let shown = format!("{case:?}: {created}");
        let one_with_socket = usize::from(case.volume.is_some());
        for name in case.containers {
            let found = named(&created["spec"]["containers"], name);
            let provision = (*name == case.provisioned).then_some("1");
            assert_eq!(amount(found[0], ENCLAVE), Some("1"), "{shown}");
            assert_eq!(amount(found[0], PROVISION), provision, "{shown}");
            assert_eq!(named(&found[0]["volumeMounts"], "aesmd-socket").len(), one_with_socket, "{shown}");
            assert_eq!(named(&found[0]["env"], "SGX_AESM_ADDR").len(), one_with_socket, "{shown}");
        }
        let volumes = named(&created["spec"]["volumes"], "aesmd-socket");
        assert_eq!(volumes.len(), one_with_socket, "{shown}");
        assert!(case.volume.is_none_or(|kind| volumes[0].get(kind).is_some()), "{shown}");
        assert_eq!(created["metadata"]["annotations"][EPC], case.sum, "{shown}");
    }

    // The author's own volume stays.
    let mut own = quoting("aesmd", &["test"]);
    own["spec"]["volumes"] = json!([{"name": "aesmd-socket", "emptyDir": {}}]);
    own["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "aesmd-socket", "mountPath": "/var/run/aesmd"}]);
    let created = world.accepted(&own);
    let volumes = named(&created["spec"]["volumes"], "aesmd-socket");
    assert!(volumes.len() == 1 && volumes[0].get("emptyDir").is_some(), "{created}");
    assert_eq!(
        named(&created["spec"]["containers"][0]["volumeMounts"], "aesmd-socket").len(),
        1,
        "{created}"
    );

    any_valid_pod_is_accepted_or_refused_by_the_webhook(&world);

    // A plugin on the node, and memory as node-feature-discovery announces it: the pod runs with its device.
    world.cluster.kubectl(&["apply", "-k", "deployments/sgx_plugin/base"]);
    world.kubernetes.wait_for_daemonset("intel-sgx-plugin", || world.state());
    let capacity = json!([{"op": "add", "path": "/status/capacity/sgx.intel.com~1epc", "value": "94Mi"}]);
    let capacity = capacity.to_string();
    world.cluster.kubectl(&[
        "patch",
        "node",
        "node-1",
        "--subresource=status",
        "--type=json",
        "-p",
        &capacity,
    ]);
    let look = "cd /dev; ls sgx* 2>&1; echo end";
    world.kubernetes.run(&running_pod("enclave", &[(EPC, 42)], look), || world.state());
    assert_eq!(world.kubernetes.output("enclave"), "sgx_enclave\n");
    world.kubernetes.delete("enclave");
    demos::run(&world);
    world.cluster.kubectl(&["delete", "-k", "deployments/sgx_plugin/base", "--timeout=60s"]);
    world.remove(WEBHOOK);
}

/// Pods of all kinds, each of which the API server takes without a webhook: with it they are taken too, or the webhook says why
/// not. What was changed once is not changed again.
fn any_valid_pod_is_accepted_or_refused_by_the_webhook(world: &crate::world::World) {
    let amounts = ["0", "42", "1000", "1Ki", "1k", "0.5Ki", "1Mi", "1048576", "1e3", "100Ti", "1Pi", "8Ei"];
    let providers = [None, Some(""), Some("main"), Some("aesmd"), Some("nobody")];
    let shapes: [fn(&mut Value, Value); 6] = [
        |_, _| {},
        |pod, it| pod["spec"]["initContainers"] = json!([it]),
        |pod, mut it| {
            it["restartPolicy"] = json!("Always");
            it["name"] = json!("aesmd");
            pod["spec"]["initContainers"] = json!([it]);
        },
        |pod, it| {
            pod["spec"]["containers"] = json!([pod["spec"]["containers"][0], it]);
        },
        |pod, _| {
            let container = &mut pod["spec"]["containers"][0];
            container["env"] = json!([{"name": "SGX_AESM_ADDR", "value": "0"}]);
            container["resources"]["limits"][ENCLAVE] = json!("5");
        },
        |pod, _| {
            pod["spec"]["volumes"] = json!([{"name": "own", "emptyDir": {}}]);
            pod["spec"]["containers"][0]["volumeMounts"] =
                json!([{"name": "own", "mountPath": "/var/run/aesmd/"}]);
        },
    ];
    let (mut accepted, mut refused) = (0, 0);
    for (number, amount) in amounts.iter().enumerate() {
        for (provider, shape) in providers.iter().zip(shapes.iter().cycle().skip(number)) {
            let mut pod = pod("any", &[("main", &[(EPC, amount)])]);
            if let Some(provider) = provider {
                pod["metadata"]["annotations"] = json!({"sgx.intel.com/quote-provider": provider});
            }
            shape(&mut pod, container("second", &[(EPC, amount)]));
            match world.try_in("default", &pod) {
                Ok(created) => {
                    accepted += 1;
                    let again = json!({
                        "apiVersion": "v1",
                        "kind": "Pod",
                        "metadata": {"name": "any", "annotations": created["metadata"]["annotations"]},
                        "spec": created["spec"],
                    });
                    let twice = world.accepted(&again);
                    assert_eq!(twice["spec"], created["spec"], "{pod}");
                    let annotations = |pod: &Value| pod["metadata"]["annotations"].clone();
                    assert_eq!(annotations(&twice), annotations(&created), "{pod}");
                }
                Err(message) => {
                    refused += 1;
                    assert!(message.contains("denied the request"), "{message} for {pod}");
                    assert!(message.contains(EPC), "{message} for {pod}");
                }
            }
        }
    }
    assert!(accepted > 20 && refused > 0, "{accepted} accepted, {refused} refused");
}
