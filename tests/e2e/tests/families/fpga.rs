//! FPGAs: what is programmed, and what is programmed for a container.

use e2e::{healthy, pod, with_variables};
use fpga_bitstream::writer;

use crate::world::{FPGA, LOOK, World, all_of, world};

impl World {
    /// Does something while the plugin runs in mode `af`, with its webhook and the names that it knows.
    pub(crate) fn with_fpga_and_webhook(&self, work: impl FnOnce()) {
        self.cluster.kubectl(&["apply", "-k", "deployments/fpga_plugin/overlays/af"]);
        self.wait_for_rollout("intelfpgaplugin-system", "daemonset/intelfpgaplugin-intel-fpga-plugin");
        self.expect_one(FPGA);
        self.map();
        work();
        self.cluster.kubectl(&["delete", "-k", "deployments/fpga_plugin/overlays/af", "--timeout=60s"]);
    }

    /// Says what readable names mean, and waits until the webhook of the overlay knows them.
    fn map(&self) {
        self.cluster.kubectl(&["apply", "-f", "deployments/fpga_admissionwebhook/mappings-collection.yaml"]);
        self.wait_for_rollout("intelfpgaplugin-system", "deployment/intelfpgaplugin-webhook");
        let list = "/api/v1/namespaces/default/pods";
        let readable = pod("readable", &[("fpga.intel.com/arria10.dcp1.2-nlb0-preprogrammed", 1)], "");
        let readable = serde_json::to_value(readable).unwrap();
        let is_real = |created: serde_json::Value| created.to_string().contains(FPGA).then_some(());
        self.kubernetes.wait_for(
            "an answer of the webhook",
            || self.state(),
            || is_real(self.kubernetes.try_out(list, &readable).ok()?),
        );
    }
}

#[test]
fn fpga() {
    let Some(world) = world() else { return };
    let (namespace, daemonset) = ("intelfpgaplugin-system", "daemonset/intelfpgaplugin-intel-fpga-plugin");
    world.cluster.kubectl(&["apply", "-k", "deployments/fpga_plugin/overlays/af"]);
    world.wait_for_rollout(namespace, daemonset);
    world.expect("fpga.intel.com/", &all_of("fpga.intel.com/"));
    world.map();
    assert_eq!(world.seen_by("function", &[(FPGA, 1)]), ["intel-fpga-port.0"]);

    world.demo(
        "test-fpga-preprogrammed",
        "pod/test-fpga-preprogrammed",
        "jsonpath={.status.phase}=Succeeded",
    );
    world.demo("intelfpga-job", "job/intelfpga-demo-job", "condition=complete");

    // Somebody programs another function.
    let function = "/sys/bus/platform/devices/intel-fpga-port.0/afu_id";
    world.cluster.node().set_attribute(function, "f7df405cbd7acf7222f144b0b93acd18\n").unwrap();
    let other = "fpga.intel.com/af-695.f7d.aVKNtusxV3qMNmj5-qCB9vffQFy9es9yIvFEsLk6zRg";
    world.expect("fpga.intel.com/", &healthy(&[(other, 1)]));
    world.cluster.node().set_attribute(function, "d8424dc4a4a3c413f89e433683f9040b\n").unwrap();
    world.expect("fpga.intel.com/", &all_of("fpga.intel.com/"));

    // An annotation of the node wins over the flag.
    world.cluster.kubectl(&["annotate", "node", "node-1", "fpga.intel.com/device-plugin-mode=regiondevel"]);
    world.cluster.kubectl(&["rollout", "restart", "-n", namespace, daemonset]);
    world.wait_for_rollout(namespace, daemonset);
    let region = "fpga.intel.com/region-69528db6eb31577a8c3668f9faa081f6";
    world.expect_one(region);
    assert_eq!(world.seen_by("region", &[(region, 1)]), ["intel-fpga-fme.0", "intel-fpga-port.0"]);
    world.cluster.kubectl(&["annotate", "node", "node-1", "fpga.intel.com/device-plugin-mode-"]);
    world.cluster.kubectl(&["delete", "-k", "deployments/fpga_plugin/overlays/af", "--timeout=60s"]);
}

/// A function that is programmed before the container starts: by the hook, which the plugin's CDI file attaches and runc
/// runs. The drivers are emulated.
#[test]
fn fpga_orchestrated() {
    const ARRIA: &str = "69528db6eb31577a8c3668f9faa081f6";
    const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
    const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
    let Some(world) = world() else { return };
    let node = world.cluster.node().root().to_owned();
    let store = node.join("srv/intel.com/fpga").join(ARRIA);
    std::fs::create_dir_all(&store).unwrap();
    let put = |name: &str, function: &str| {
        let payload = format!("SIMULATED BITSTREAM {ARRIA} {function}\n");
        let gbs = writer::gbs(ARRIA.parse().unwrap(), function.parse().unwrap(), payload.as_bytes());
        std::fs::write(store.join(format!("{name}.gbs")), gbs).unwrap();
    };
    let function = || {
        let file = node.join("sys/bus/platform/devices/intel-fpga-port.0/afu_id");
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    };
    let region = format!("fpga.intel.com/region-{ARRIA}");
    let asking = |name: &str, function: &str| {
        let variables = [("FPGA_REGION_1", ARRIA), ("FPGA_AFU_1", function)];
        with_variables(pod(name, &[(&region, 1)], LOOK), &variables)
    };
    let (namespace, daemonset) = ("intelfpgaplugin-system", "daemonset/intelfpgaplugin-intel-fpga-plugin");
    world.cluster.kubectl(&["apply", "-k", "deployments/fpga_plugin/overlays/region"]);
    world.wait_for_rollout(namespace, daemonset);
    world.expect_one(&region);
    world.map();

    // What is there already is not programmed, so no bitstream is needed.
    assert_eq!(function(), NLB0);
    let expected =
        ["intel-fpga-port.0".to_owned(), format!("FPGA_AFU_1={NLB0}"), format!("FPGA_REGION_1={ARRIA}")];
    world.kubernetes.run(&asking("there", NLB0), || world.state());
    assert_eq!(world.kubernetes.output("there").lines().collect::<Vec<_>>(), expected);
    world.kubernetes.delete("there");

    world.kubernetes.refused(&asking("missing", NLB3), &format!("no bitstream {NLB3}.gbs"), || world.state());
    put(NLB3, NLB0);
    world.kubernetes.refused(&asking("wrong", NLB3), "is in the wrong place", || world.state());
    put(NLB3, NLB3);
    let port = node.join("dev/.emulated/intel-fpga-port.0").display().to_string();
    let user = world.cluster.run_on_node(&["/bin/sh", "-c", &format!("exec sleep 1000 3<>{port}")]);
    world.kubernetes.refused(&asking("busy", NLB3), "intel-fpga-port.0 is in use", || world.state());
    assert_eq!(function(), NLB0);
    drop(user);

    world.kubernetes.run(&asking("programmed", NLB3), || world.state());
    assert_eq!(function(), NLB3, "{}", world.cluster.fpga_log());
    assert!(world.kubernetes.output("programmed").starts_with("intel-fpga-port.0\n"));
    let programmed = world.cluster.fpga_log().lines().filter(|line| line.contains("\"pr\"")).count();
    assert_eq!(programmed, 1, "{}", world.cluster.fpga_log());
    world.kubernetes.delete("programmed");
    world.demo("test-fpga-orchestrated", "pod/test-fpga-orchestrated", "jsonpath={.status.phase}=Succeeded");
    put(NLB0, NLB0);
    world.kubernetes.run(&asking("as-before", NLB0), || world.state());
    assert_eq!(function(), NLB0);
    world.kubernetes.delete("as-before");
    world.cluster.kubectl(&["delete", "-k", "deployments/fpga_plugin/overlays/region", "--timeout=60s"]);
}
