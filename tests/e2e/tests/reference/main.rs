//! The Go implementation's own manifests, objects and charts of v0.36.0, unchanged, with this project's images under the names
//! that they have there, and cert-manager, which they need.
//!
//! Nothing of these is in this repository, so this runs only when asked to, after `./test` has built the rest:
//! `cargo test -p e2e --test reference -- --ignored --test-threads=1`, with these variables:
//!
//! | | |
//! |---|---|
//! | `E2E_REFERENCE` | the repository `intel/intel-device-plugins-for-kubernetes` at its tag `v0.36.0` |
//! | `E2E_REFERENCE_CHARTS` | the folder `charts` of the repository `intel/helm-charts` |
//! | `E2E_REFERENCE_OPERATOR` | its operator, as a program |
//! | `E2E_CERT_MANAGER` | a folder with cert-manager's programs `controller` and `cainjector`, and its `deploy/crds` as `crds` |
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "tests")]

mod world;

use e2e::pod;

use world::{DEPLOYMENT, FAMILIES, FUNCTION, OPERATOR, REGION, VERSION, file, path, world};

#[test]
#[ignore = "needs files of the Go implementation"]
fn its_daemonsets_offer_what_they_did() {
    let world = world();
    for (family, key) in [("dsa", "dsa.conf"), ("iaa", "iaa.conf")] {
        let content = format!("--from-file={}", file(&format!("demo/{key}")));
        world.cluster.kubectl(&["create", "configmap", &format!("intel-{family}-config"), &content]);
    }
    for (folder, daemonset, resource) in [
        ("dlb_plugin", "intel-dlb-plugin", "dlb.intel.com/vf"),
        ("dlb_plugin/overlays/dlb_initcontainer", "intel-dlb-plugin", "dlb.intel.com/vf"),
        ("dsa_plugin", "intel-dsa-plugin", "dsa.intel.com/wq-user-shared"),
        ("dsa_plugin/overlays/dsa_initcontainer", "intel-dsa-plugin", "dsa.intel.com/wq-user-dedicated"),
        ("gpu_plugin", "intel-gpu-plugin", "gpu.intel.com/i915"),
        ("gpu_plugin/overlays/nfd_labeled_nodes", "intel-gpu-plugin", "gpu.intel.com/monitoring"),
        ("gpu_plugin/overlays/monitoring_shared-dev_nfd", "intel-gpu-plugin", "gpu.intel.com/i915"),
        ("gpu_plugin/overlays/xpumd", "intel-gpu-plugin", "gpu.intel.com/monitoring"),
        ("gpu_plugin/overlays/levelzero", "intel-gpu-plugin", "gpu.intel.com/i915"),
        ("gpu_plugin/overlays/health", "intel-gpu-plugin", "gpu.intel.com/i915"),
        ("iaa_plugin", "intel-iaa-plugin", "iaa.intel.com/wq-user-shared"),
        ("iaa_plugin/overlays/iaa_initcontainer", "intel-iaa-plugin", "iaa.intel.com/wq-user-dedicated"),
        ("npu_plugin", "intel-npu-plugin", "npu.intel.com/accel"),
        ("npu_plugin/overlays/nfd_labeled_nodes", "intel-npu-plugin", "npu.intel.com/accel"),
        ("qat_plugin", "intel-qat-plugin", "qat.intel.com/cy"),
        ("qat_plugin/overlays/debug", "intel-qat-plugin-debug", "qat.intel.com/dc"),
        ("qat_plugin/overlays/qat_initcontainer", "intel-qat-plugin", "qat.intel.com/cy"),
        ("sgx_plugin/base", "intel-sgx-plugin", "sgx.intel.com/enclave"),
        ("dsa_plugin/overlays/dsa_vfio_initcontainer", "intel-dsa-plugin", "dsa.intel.com/vfio"),
    ] {
        world.offers(folder, daemonset, resource);
    }
}

#[test]
#[ignore = "needs files of the Go implementation"]
fn its_webhooks_with_cert_manager_change_pods_as_they_did() {
    let world = world();
    let _running = world.cert_manager();
    for (overlay, resource) in [("af", FUNCTION), ("region", REGION)] {
        let folder = format!("fpga_plugin/overlays/{overlay}");
        world.apply(&folder);
        let namespace = "intelfpgaplugin-system";
        world.roll_out(namespace, "daemonset/intelfpgaplugin-intel-fpga-plugin");
        world.roll_out(namespace, "deployment/intelfpgaplugin-webhook");
        world.apply_file("deployments/fpga_admissionwebhook/mappings-collection.yaml");
        world.wait("the node's FPGA", || {
            let resources = world.kubernetes.resources(resource);
            resources.get(resource).is_some_and(|(_, allocatable)| *allocatable > 0).then_some(())
        });
        let readable = format!(
            "fpga.intel.com/arria10.dcp1.2{}",
            if overlay == "af" { "-nlb0-preprogrammed" } else { "" }
        );
        let made =
            world.changed(&serde_json::to_value(pod("readable", &[(&readable, 1)], "")).unwrap(), resource);
        println!("{folder}: {readable} became {}", made["spec"]["containers"][0]["resources"]["limits"]);
        world.remove(&folder);
    }

    world.apply("sgx_plugin/overlays/epc-nfd");
    world.roll_out("default", "daemonset/intel-sgx-plugin");
    world.roll_out("intelsgxwebhook-system", "deployment/intelsgxwebhook-webhook");
    let made = world.changed(
        &serde_json::to_value(pod("enclave", &[("sgx.intel.com/epc", 42)], "")).unwrap(),
        "sgx.intel.com/enclave",
    );
    println!("sgx_plugin/overlays/epc-nfd: {}", made["spec"]["containers"][0]["resources"]["limits"]);
    world.remove("sgx_plugin/overlays/epc-nfd");
}

#[test]
#[ignore = "needs files of the Go implementation"]
fn its_operator_s_manifests_and_samples_give_a_working_node() {
    let world = world();
    let _running = world.cert_manager();
    world.apply("operator/default");
    world.roll_out(OPERATOR, DEPLOYMENT);
    world.samples(|family| {
        let sample = file(&format!("deployments/operator/samples/deviceplugin_v1_{family}deviceplugin.yaml"));
        world.cluster.try_kubectl(&["apply", "-f", &sample])
    });
    world.remove("operator/default");
}

#[test]
#[ignore = "needs files of the Go implementation"]
fn its_charts_give_a_working_node() {
    let world = world();
    let _running = world.cert_manager();
    world.cluster.define_node_features();
    let chart =
        |name: &str| path("E2E_REFERENCE_CHARTS").join(format!("{name}-device-plugin")).display().to_string();
    let operator = path("E2E_REFERENCE_CHARTS").join("device-plugin-operator").display().to_string();
    world.cluster.helm(&["install", "operator", &operator, "-n", OPERATOR, "--create-namespace"]);
    world.roll_out(OPERATOR, "deployment/inteldeviceplugins-controller-manager");
    world.samples(|family| {
        if family == "fpga" {
            // There is no chart of it.
            let sample = file("deployments/operator/samples/deviceplugin_v1_fpgadeviceplugin.yaml");
            return world.cluster.try_kubectl(&["apply", "-f", &sample]);
        }
        // Some charts there are of older versions, whose images no operator of this one takes.
        let tags = format!("image.tag={VERSION},initImage.tag={VERSION}");
        world.cluster.try_helm(&[
            "upgrade",
            "--install",
            family,
            &chart(family),
            "-n",
            OPERATOR,
            "--set",
            &tags,
        ])
    });
    // The charts of this project with the values of those.
    let values = format!("{operator}/values.yaml");
    let ours = "charts/device-plugin-operator";
    world.cluster.helm(&["upgrade", "operator", ours, "-n", OPERATOR, "--take-ownership", "-f", &values]);
    world.roll_out(OPERATOR, "deployment/inteldeviceplugins-controller-manager");
    for family in FAMILIES.into_iter().filter(|family| *family != "fpga") {
        let values = format!("{}/values.yaml", chart(family));
        let ours = format!("charts/{family}-device-plugin");
        world.wait(&ours, || {
            world.cluster.try_helm(&["upgrade", family, &ours, "-n", OPERATOR, "-f", &values]).ok()
        });
        println!("{ours} with the values of {}", chart(family));
    }
    world.all_work();
    for family in FAMILIES {
        world.cluster.kubectl(&["delete", &format!("{family}deviceplugins"), "--all", "--timeout=60s"]);
    }
    world.cluster.helm(&["uninstall", "operator", "-n", OPERATOR]);
}

#[test]
#[ignore = "needs files of the Go implementation"]
fn what_its_operator_made_is_taken_over() {
    let world = world();
    world.apply("operator/crd");
    // Some clusters have it from other tests.
    let _ = world.cluster.try_kubectl(&["create", "namespace", OPERATOR]);
    let its = world.its_operator();
    world.samples(|family| {
        let sample = file(&format!("deployments/operator/samples/deviceplugin_v1_{family}deviceplugin.yaml"));
        world.cluster.try_kubectl(&["apply", "-f", &sample])
    });
    drop(its);
    let (daemonsets, pods) = (world.made("daemonsets"), world.made("pods"));
    assert_eq!(daemonsets.len(), FAMILIES.len(), "{daemonsets:?}");

    world.cluster.kubectl(&["apply", "-k", "deployments/operator/default"]);
    world.roll_out(OPERATOR, DEPLOYMENT);
    for family in FAMILIES {
        let objects = format!("{family}deviceplugins");
        let args = ["wait", &objects, "--all", "--for=condition=Available", "--timeout=110s"];
        let done = world.cluster.try_kubectl(&args);
        assert!(done.is_ok(), "{family}: {done:?}\n{}", world.state());
    }
    world.all_work();
    assert_eq!(world.made("daemonsets"), daemonsets);
    let now = world.made("pods");
    println!(
        "{} of {} pods were left as they are",
        now.iter().filter(|pod| pods.contains(pod)).count(),
        now.len()
    );
    world.cluster.kubectl(&["delete", "-k", "deployments/operator/default", "--timeout=60s"]);
}
