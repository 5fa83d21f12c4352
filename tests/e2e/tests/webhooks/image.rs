//! The image itself, without a manifest that says how to run it.

use serde_json::{Value, json};

use crate::world::world;

const PODS: &str = "/api/v1/namespaces/default/pods";

/// A pod whose user must not be root, which the image has to see to.
fn pod(name: &str, command: &[&str]) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "automountServiceAccountToken": false,
            "restartPolicy": "Never",
            "containers": [{
                "name": "main",
                "image": "intel/intel-sgx-admissionwebhook:devel",
                "imagePullPolicy": "Never",
                "command": command,
                "securityContext": {"runAsNonRoot": true, "readOnlyRootFilesystem": true},
            }],
        },
    })
}

#[test]
fn the_image_runs_as_a_user_who_is_not_root_and_has_no_shell() {
    let Some(world) = world() else { return };
    let shell = serde_json::from_value(pod("shell", &["/bin/sh"])).unwrap();
    world.kubernetes.refused(&shell, "/bin/sh: no such file or directory", || world.state());

    let version = pod("version", &["intel-device-plugins-operator", "version"]);
    world.kubernetes.ask("POST", PODS, Some(&version)).unwrap();
    world.kubernetes.wait_for(
        "the end of a pod that prints its version",
        || world.state(),
        || {
            let phase = world.kubernetes.pod("version")?.status?.phase?;
            assert_ne!(phase, "Failed", "{}", world.state());
            (phase == "Succeeded").then_some(())
        },
    );
    world.kubernetes.delete("version");
}
