//! However objects come, change and go, in the end there is what they say.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::world::{FAMILIES, World, kind, plural, world};

const OPERATIONS: u32 = 1000;
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Numbers that look random and are the same each time (Numerical Recipes' generator).
struct Numbers(u32);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % limit
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

type Declared = BTreeMap<(&'static str, &'static str), Value>;

fn spec(family: &str, numbers: &mut Numbers) -> Value {
    let mut spec = json!({
        "logLevel": numbers.below(5),
        // No node has it.
        "nodeSelector": {"no": format!("where{}", numbers.below(3))},
    });
    // It has to be there, or is there now and then.
    let init = if family == "fpga" { Some("intel-fpga-initcontainer") } else { None };
    let init =
        init.or_else(|| (family == "qat" && numbers.below(2) == 0).then_some("intel-qat-initcontainer"));
    if let Some(image) = init {
        spec["initImage"] = json!(format!("intel/{image}:0.36.{}", numbers.below(3)));
    }
    spec
}

impl World {
    fn operation(&self, numbers: &mut Numbers, declared: &mut Declared) {
        let (family, name) = (numbers.pick(&FAMILIES), numbers.pick(&NAMES));
        let list = format!("/apis/deviceplugin.intel.com/v1/{}", plural(family));
        let done = if declared.contains_key(&(family, name)) && numbers.below(3) == 0 {
            declared.remove(&(family, name));
            self.kubernetes.ask("DELETE", &format!("{list}/{name}"), None)
        } else {
            let spec = spec(family, numbers);
            let object = json!({
                "apiVersion": "deviceplugin.intel.com/v1",
                "kind": kind(family),
                "metadata": {"name": name},
                "spec": spec,
            });
            let before = declared.insert((family, name), spec);
            if before.is_none() {
                self.kubernetes.ask("POST", &list, Some(&object))
            } else {
                // All of the spec: what it had before and has no more goes.
                let patch = json!([{"op": "replace", "path": "/spec", "value": object["spec"]}]);
                self.kubernetes.ask("PATCH", &format!("{list}/{name}"), Some(&patch))
            }
        };
        assert!(done.is_ok(), "{family} {name}: {done:?}\n{}", self.state());
    }

    /// What a DaemonSet still has to become, if anything.
    fn difference(&self, family: &str, name: &str, spec: &Value) -> Option<String> {
        let daemonset = self.daemonset(family, name).unwrap_or_default();
        let pod = &daemonset["spec"]["template"]["spec"];
        let init = pod["initContainers"][0]["image"].clone();
        let is_so = pod["nodeSelector"] == spec["nodeSelector"]
            && pod["containers"][0]["args"][1] == json!(spec["logLevel"].to_string())
            && init == spec["initImage"];
        (!is_so).then(|| format!("{family} {name}: {spec}: {pod}"))
    }
}

#[test]
fn after_a_thousand_random_operations_daemonsets_are_what_objects_say() {
    let Some(world) = world() else { return };
    let (mut numbers, mut declared) = (Numbers(7), Declared::new());
    for _ in 0..OPERATIONS {
        world.operation(&mut numbers, &mut declared);
    }
    let mut expected: Vec<String> =
        declared.keys().map(|(family, name)| format!("intel-{family}-plugin-{name}")).collect();
    expected.sort();
    world.wait("as many DaemonSets as objects", || {
        let mut found = world.daemonsets();
        found.sort();
        (found == expected).then_some(())
    });
    for ((family, name), spec) in &declared {
        let difference = || world.difference(family, name, spec);
        world.kubernetes.wait_for(
            "a DaemonSet as the object says",
            || format!("{:?}\n{}", difference(), world.state()),
            || difference().is_none().then_some(()),
        );
    }
}
