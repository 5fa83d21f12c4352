//! A namespace `default` with the objects of the shipped collection's kind, and pods in it.

use fpga_webhook::{AcceleratorFunction, AcceleratorFunctionSpec, FpgaRegion, FpgaRegionSpec, Mappings};
use serde_json::{Value, json};
use webhook::{Outcome, Request};

use crate::apply::apply;

pub(super) const ARRIA: &str = "ce48969398f05f33946d560708be108a";
pub(super) const D5005: &str = "bfac4d851ee856fe8c95865ce1bbaa2d";
pub(super) const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
pub(super) const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
pub(super) const MATRIX: &str = "40007c0623210742000ebc58df6f5343e668b03a";

pub(super) const AF_D5005_NLB3: &str = "af-bfa.f7d.v6xNhR7oVv6MlYZc4buqLfffQFy9es9yIvFEsLk6zRg";
pub(super) const AF_ARRIA_NLB0: &str = "af-ce4.d84.zkiWk5jwXzOUbVYHCL4QithCTcSko8QT-J5DNoP5BAs";

/// An object as it stands in the cluster.
pub(super) fn function(
    namespace: &str,
    name: &str,
    mode: &str,
    interface: &str,
    afu: &str,
) -> AcceleratorFunction {
    let spec = AcceleratorFunctionSpec {
        afu_id: afu.to_owned(),
        interface_id: interface.to_owned(),
        mode: mode.to_owned(),
    };
    let mut object = AcceleratorFunction::new(name, spec);
    object.metadata.namespace = Some(namespace.to_owned());
    object
}

pub(super) fn region(namespace: &str, name: &str, interface: &str) -> FpgaRegion {
    let mut object = FpgaRegion::new(name, FpgaRegionSpec { interface_id: interface.to_owned() });
    object.metadata.namespace = Some(namespace.to_owned());
    object
}

/// No object yet, and it is known that there is none.
pub(super) fn nothing() -> Mappings {
    let mappings = Mappings::default();
    mappings.replace(Vec::<AcceleratorFunction>::new());
    mappings.replace(Vec::<FpgaRegion>::new());
    mappings
}

/// Namespace `default` with functions of both modes and a region, and `other` with some of its own.
pub(super) fn mappings() -> Mappings {
    let mappings = nothing();
    for object in [
        function("default", "d5005-nlb3-preprogrammed", "af", D5005, NLB3),
        function("default", "d5005-nlb3-alias", "af", D5005, NLB3),
        function("default", "arria-nlb0-preprogrammed", "af", ARRIA, NLB0),
        function("default", "arria-nlb0", "region", ARRIA, NLB0),
        function("default", "arria-nlb0-alias", "region", ARRIA, NLB0),
        function("default", "arria-nlb3", "region", ARRIA, NLB3),
        function("other", "matrix", "region", D5005, MATRIX),
        function("other", "arria-nlb3-preprogrammed", "af", ARRIA, NLB3),
    ] {
        mappings.apply(&object);
    }
    mappings.apply(&region("default", "d5005", D5005));
    mappings
}

pub(super) fn request(pod: Value) -> Request {
    Request {
        operation: "CREATE".to_owned(),
        subresource: String::new(),
        namespace: "default".to_owned(),
        object: pod,
        old: Value::Null,
    }
}

pub(super) fn decide(pod: Value) -> Outcome {
    fpga_webhook::review(&mappings(), request(pod))
}

/// The resources of a container, with their prefix, as much under requests.
pub(super) fn resources(units: &[(&str, &str)]) -> Value {
    let amounts: Value =
        units.iter().map(|(name, units)| (format!("fpga.intel.com/{name}"), json!(units))).collect();
    json!({ "limits": amounts, "requests": amounts })
}

/// A pod with one container that asks for these.
pub(super) fn pod(units: &[(&str, &str)]) -> Value {
    json!({
        "metadata": { "name": "p", "namespace": "default" },
        "spec": { "containers": [{ "name": "c", "image": "i", "resources": resources(units) }] },
    })
}

/// Literal variables.
pub(super) fn variables(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

/// A pod with one container that asks for these and has these variables.
pub(super) fn pod_with(units: &[(&str, &str)], env: Value) -> Value {
    let mut pod = pod(units);
    pod["spec"]["containers"][0]["env"] = env;
    pod
}

/// The operations of a pod's patch, and the warnings.
pub(super) fn patch(pod: Value) -> (Value, Vec<String>) {
    match decide(pod.clone()) {
        Outcome::Allowed { patch, warnings } => (json!(patch), warnings),
        Outcome::Refused { message } => panic!("{message}: {pod}"),
    }
}

/// The pod after its patch, which is not changed when it comes again, and the warnings.
pub(super) fn mutated(pod: Value) -> (Value, Vec<String>) {
    let (operations, warnings) = patch(pod.clone());
    let after = apply(pod, &operations);
    assert_eq!(patch(after.clone()), (json!([]), vec![]), "changed again: {after}");
    (after, warnings)
}

/// The message, without the pod's name at its start.
pub(super) fn refused(pod: Value) -> String {
    match decide(pod.clone()) {
        Outcome::Refused { message } => {
            let start = "pod \"p\" in namespace \"default\": ";
            message.strip_prefix(start).unwrap_or_else(|| panic!("{message}")).to_owned()
        }
        outcome @ Outcome::Allowed { .. } => panic!("{pod}: {outcome:?}"),
    }
}

/// Of the only container, what it asks for, and its variables.
pub(super) fn shown(pod: &Value) -> String {
    let container = &pod["spec"]["containers"][0];
    assert_eq!(container["resources"]["limits"], container["resources"]["requests"], "{container}");
    let mut words = Vec::new();
    for (name, units) in container["resources"]["limits"].as_object().into_iter().flatten() {
        words.push(format!("{}={}", name.replace("fpga.intel.com/", ""), units.as_str().unwrap()));
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        let value = variable.get("value").map_or("?", |value| value.as_str().unwrap());
        words.push(format!("{}={value}", variable["name"].as_str().unwrap()));
    }
    words.join(" ")
}
