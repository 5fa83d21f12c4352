//! What the control plane does: reviews of pods, DaemonSets of objects.

use fpga_webhook::{AcceleratorFunction, AcceleratorFunctionSpec, FpgaRegion, Mappings};
use serde_json::{Value, json};
use webhook::review::{Kind, answer};
use webhook::{Document, Pointer};

use crate::Operation;

const PLAIN: &str = include_str!("../../../devices/sgx/webhook/tests/plain_review.json");
const LARGE: &str = include_str!("../../../devices/sgx/webhook/tests/review.json");
const INTERFACE: &str = "bfac4d851ee856fe8c95865ce1bbaa2d";
const FUNCTION: &str = "f7df405cbd7acf7222f144b0b93acd18";

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        sgx("SGX webhook, a small pod", PLAIN),
        sgx("SGX webhook, a large pod", LARGE),
        fpga(),
        patch(),
        daemonset(),
    ]
}

/// As the API server sends it: in one line.
fn sent(review: &Value) -> Vec<u8> {
    review.to_string().into_bytes()
}

fn sgx(name: &str, review: &str) -> Operation {
    let review = sent(&serde_json::from_str(review).unwrap());
    Operation::new(name, move || {
        answer(&review, &Kind::pod(), sgx_webhook::FIELDS, sgx_webhook::review).unwrap()
    })
}

/// The large pod, whose first container asks for a function by the name of one of a hundred objects.
fn fpga() -> Operation {
    let mappings = Mappings::default();
    mappings.replace(Vec::<FpgaRegion>::new());
    mappings.replace((0..100).map(|number| {
        let spec = AcceleratorFunctionSpec {
            afu_id: FUNCTION.to_owned(),
            interface_id: INTERFACE.to_owned(),
            mode: "region".to_owned(),
        };
        let mut object = AcceleratorFunction::new(&format!("function-{number}"), spec);
        object.metadata.namespace = Some("default".to_owned());
        object
    }));
    let mut review: Value = serde_json::from_str(LARGE).unwrap();
    review["request"]["namespace"] = json!("default");
    review["request"]["object"]["spec"]["containers"][0]["resources"] = json!({"limits": {"fpga.intel.com/function-42": "1"}, "requests": {"fpga.intel.com/function-42": "1"}});
    let review = sent(&review);
    let decide = move || {
        let decide = |request| fpga_webhook::review(&mappings, request);
        answer(&review, &Kind::pod(), fpga_webhook::FIELDS, decide).unwrap()
    };
    let said: Value = serde_json::from_slice(&decide()).unwrap();
    assert!(said["response"]["patch"].is_string(), "{said}");
    Operation::new("FPGA webhook, a large pod", decide)
}

fn patch() -> Operation {
    let pod: Value = serde_json::from_str::<Value>(LARGE).unwrap()["request"]["object"].take();
    let env = Pointer::root().key("spec").key("containers").index(0).key("env");
    Operation::new("JSON patch of 20 operations", move || {
        let mut document = Document::new(pod.clone());
        for number in 0..20 {
            document.push(&env, json!({"name": format!("V{number}"), "value": "1"})).unwrap();
        }
        serde_json::to_string(&document.into_patch()).unwrap()
    })
}

fn daemonset() -> Operation {
    let spec = json!({"image": "intel/intel-gpu-plugin:0.36.0", "sharedDevNum": 10, "logLevel": 4,
        "enableMonitoring": true, "nodeSelector": {"intel.feature.node.kubernetes.io/gpu": "true"}});
    let settings =
        controller::Settings { namespace: "devices".to_owned(), ..controller::Settings::default() };
    Operation::new("DaemonSet of an object", move || {
        gpu_operator::FAMILY.check(&spec).unwrap();
        gpu_operator::FAMILY.daemonset("a", &spec, &settings).unwrap()
    })
}
