//! Fields of objects that come, change and go.

use serde_json::{Value, json};

use crate::world::{FAMILIES, INIT, World, init_image, object, plural, world};

/// Keeps the objects' pods away: what an object says no more is nothing that could.
struct Taint<'a>(&'a World);

impl<'a> Taint<'a> {
    fn new(world: &'a World) -> Self {
        world.cluster.kubectl(&["taint", "node", "node-1", "full=yes:NoSchedule", "--overwrite"]);
        Self(world)
    }
}

impl Drop for Taint<'_> {
    fn drop(&mut self) {
        self.0.cluster.kubectl(&["taint", "node", "node-1", "full-"]);
    }
}

impl World {
    /// Waits until the DaemonSet has this volume of a ConfigMap, or none.
    fn expect_config(&self, family: &str, expected: &Value) {
        let found = || {
            let daemonset = self.daemonset(family, "fields")?;
            let volumes = daemonset["spec"]["template"]["spec"]["volumes"].as_array()?.clone();
            volumes.iter().find_map(|volume| volume.get("configMap").cloned()).or(Some(Value::Null))
        };
        self.kubernetes.wait_for(
            &format!("the ConfigMap {expected} in the DaemonSet of {family}"),
            || format!("{:?}\n{}", found(), self.state()),
            || (found()? == *expected).then_some(()),
        );
    }
}

#[test]
fn what_an_object_says_no_more_its_daemonset_says_no_more() {
    let Some(world) = world() else { return };
    let _taint = Taint::new(&world);
    for family in FAMILIES {
        let init = init_image(family)
            .map(|image| format!(r#""initImage": "intel/{image}:0.36.0","#))
            .unwrap_or_default();
        let toleration = r#"[{"key": "key", "operator": "Exists"}]"#;
        let all = format!(r#"{{{init} "nodeSelector": {{"no": "where"}}, "tolerations": {toleration}}}"#);
        world.apply(&object(family, "fields", &all));
        world.expect(family, "fields", "/spec/template/spec/tolerations/0/key", &json!("key"));
        let has_init = json!(init_image(family).map(|image| format!("intel/{image}:0.36.0")));
        world.expect(family, "fields", &format!("{INIT}/0/image"), &has_init);

        // FPGA's is never without.
        let is_bare = family != "fpga";
        let rest = if is_bare { "{}".to_owned() } else { format!("{{{}}}", init.trim_end_matches(',')) };
        world.apply(&object(family, "fields", &rest));
        let selector = json!({"kubernetes.io/arch": "amd64"});
        world.expect(family, "fields", "/spec/template/spec/nodeSelector", &selector);
        world.expect(family, "fields", "/spec/template/spec/tolerations", &Value::Null);
        if is_bare {
            world.expect(family, "fields", INIT, &Value::Null);
        }
        world.cluster.kubectl(&["delete", &plural(family), "fields", "--timeout=60s"]);
    }
}

#[test]
fn provisioning_configs_come_change_and_go() {
    let Some(world) = world() else { return };
    for (family, mode, more) in [
        ("dsa", 0o644, ""),
        ("iaa", 0o644, ""),
        ("qat", 0o440, r#", "kernelVfDrivers": ["4xxxvf", "420xxvf"]"#),
    ] {
        let spec = |config: &str| {
            let image = init_image(family).unwrap();
            let init = format!(r#""initImage": "intel/{image}:0.36.0""#);
            object(
                family,
                "fields",
                &format!(r#"{{"nodeSelector": {{"no": "where"}}, {init}{config}{more}}}"#),
            )
        };
        world.apply(&spec(""));
        world.expect_config(family, &Value::Null);
        for name in ["first", "second"] {
            world.apply(&spec(&format!(r#", "provisioningConfig": "{name}""#)));
            world.expect_config(family, &json!({"name": name, "defaultMode": mode}));
        }
        world.apply(&spec(""));
        world.expect_config(family, &Value::Null);
        world.cluster.kubectl(&["delete", &plural(family), "fields", "--timeout=60s"]);
    }
}

#[test]
fn the_driver_of_dsa_reaches_its_init_container() {
    let Some(world) = world() else { return };
    for driver in ["idxd", "vfio-pci", "idxd"] {
        let init = r#""initImage": "intel/intel-idxd-config-initcontainer:0.36.0""#;
        let spec = format!(r#"{{"driver": "{driver}", {init}, "nodeSelector": {{"no": "where"}}}}"#);
        world.apply(&object("dsa", "fields", &spec));
        let variable = json!({"name": "DSA_DRIVER", "value": driver});
        world.expect("dsa", "fields", &format!("{INIT}/0/env/2"), &variable);
    }
    world.cluster.kubectl(&["delete", &plural("dsa"), "fields", "--timeout=60s"]);
}
