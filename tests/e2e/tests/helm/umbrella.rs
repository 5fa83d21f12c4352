//! Operator and plugins in one release.

use crate::world::{World, any_world, copy_of_charts, world};

impl World {
    fn is_available(&self, family: &str) -> Option<()> {
        let object = self.json(&["get", &format!("{family}deviceplugin"), family])?;
        let conditions = object["status"]["conditions"].as_array()?.clone();
        conditions.iter().any(|one| one["type"] == "Available" && one["status"] == "True").then_some(())
    }
}

#[test]
fn one_command_installs_the_operator_and_the_plugins_that_were_chosen() {
    let Some(world) = world() else { return };
    let charts = copy_of_charts();
    let chart = charts.path().join("intel-device-plugins");
    let chart = chart.to_str().unwrap();
    world.cluster.helm(&["dependency", "update", chart]);
    world.cluster.helm(&["lint", "--strict", chart]);
    let before = world.left();
    let chosen = ["--set", "gpu.enabled=true,npu.enabled=true"];
    world.install("all", chart, &chosen);
    for family in ["gpu", "npu"] {
        world.wait(&format!("the plugin {family}"), || world.is_available(family));
    }
    world.expect_resource("npu.intel.com/accel", 1);
    let names = world.cluster.kubectl(&["get", "sgxdeviceplugins,qatdeviceplugins", "-o", "name"]);
    assert_eq!(names, "", "what nobody chose");

    let changed = ["--take-ownership", "--set", "npu.enabled=true,npu.sharedDevNum=2"];
    world.upgrade("all", chart, &changed);
    world.expect_resource("npu.intel.com/accel", 2);
    world.wait("no plugin for GPUs", || {
        world.json(&["get", "gpudeviceplugin", "gpu"]).is_none().then_some(())
    });
    let owner =
        world.definition("gpu").unwrap()["metadata"]["annotations"]["meta.helm.sh/release-name"].clone();
    assert_eq!(owner, "all", "from now on, upgrades upgrade it");

    world.uninstall("all");
    world.expect_nothing_but_a_lease(&before);
    assert!(world.definition("gpu").is_some());
}

#[test]
fn a_value_that_no_chart_has_is_refused_in_all_of_them_too() {
    let Some(world) = any_world() else { return };
    let charts = copy_of_charts();
    let chart = charts.path().join("intel-device-plugins");
    let chart = chart.to_str().unwrap();
    world.cluster.helm(&["dependency", "update", chart]);
    for (value, why) in
        [("gpus.enabled=true", "gpus"), ("gpu.enabled=true,gpu.sharedDevNumb=2", "sharedDevNumb")]
    {
        let error = world.cluster.try_helm(&["template", "x", chart, "--set", value]).expect_err(value);
        assert!(error.contains(why), "{value}: {error}");
    }
    for value in ["operator.crds.install=false", "operator.enabled=false"] {
        assert!(!world.cluster.helm(&["template", "x", chart, "--set", value]).is_empty(), "{value}");
    }
}
