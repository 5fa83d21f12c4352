//! Amounts of resources.

use serde_json::{Value, json};
use sgx_webhook::mutate;
use webhook::Outcome;

use crate::{container, mutated, pod, refused, shown};

#[test]
fn no_memory_at_all_still_counts_as_asked_for() {
    let pod = pod("a", json!([container("a", json!({ "sgx.intel.com/epc": "0" }))]));
    assert_eq!(shown(&mutated(pod).0), "a: enclave=1 provision=1");
}

#[test]
fn numbers_that_the_author_set_stay() {
    let limits =
        json!({ "sgx.intel.com/epc": "1Mi", "sgx.intel.com/enclave": "5", "sgx.intel.com/provision": "3" });
    let (after, _) = mutated(pod("a", json!([container("a", limits)])));
    assert_eq!(shown(&after), "a: enclave=5 provision=3; epc 1Mi");
}

#[test]
fn quantities_are_read_in_every_notation_and_written_as_kubernetes_does() {
    for (limit, request, written) in [
        (json!("1Mi"), json!("1048576"), "1Mi"),
        (json!("1.5Mi"), json!("1536Ki"), "1536Ki"),
        (json!("1k"), json!(1000), "1k"),
        (json!(42), json!("42000m"), "42"),
        (json!("94Mi"), json!("98566144"), "94Mi"),
        (json!("1e6"), json!("1M"), "1000000"),
        (json!("100000Gi"), json!("100000Gi"), "100000Gi"),
        (json!("1Pi"), json!("1Pi"), "1Pi"),
    ] {
        let resources =
            json!({ "limits": { "sgx.intel.com/epc": limit }, "requests": { "sgx.intel.com/epc": request } });
        let (after, _) = mutated(pod("", json!([{ "name": "a", "resources": resources }])));
        assert_eq!(after["metadata"]["annotations"]["sgx.intel.com/epc"], written);
        let kept = &after["spec"]["containers"][0]["resources"];
        assert_eq!(
            (&kept["limits"]["sgx.intel.com/epc"], &kept["requests"]["sgx.intel.com/epc"]),
            (&limit, &request)
        );
    }
}

#[test]
fn limits_alone_are_enough() {
    let container = json!({ "name": "a", "resources": { "limits": { "sgx.intel.com/epc": "1Mi" } } });
    assert_eq!(shown(&mutated(pod("", json!([container]))).0), "a: enclave=1; epc 1Mi");
}

#[test]
fn amounts_that_the_api_would_refuse_later_are_refused_with_container_resource_and_amount() {
    for (limits, requests, message) in [
        (
            json!({}),
            json!({ "epc": "1Mi" }),
            r#"epc: requests have "1Mi", but limits nothing: write it under limits, requests follow by themselves"#,
        ),
        (
            json!({ "epc": "1Mi" }),
            json!({ "epc": "2Mi" }),
            r#"epc: requests have "2Mi", but limits "1Mi": make both the same, for devices are not overcommitted"#,
        ),
        (
            json!({ "enclave": "1" }),
            json!({ "enclave": "0" }),
            r#"enclave: requests have "0", but limits "1": make both the same, for devices are not overcommitted"#,
        ),
        (json!({ "epc": "500m" }), json!({}), r#"epc: "500m" is no whole number of units, as devices need"#),
        (json!({ "epc": 1.1 }), json!({}), "epc: 1.1 is no whole number of units, as devices need"),
        (json!({ "epc": "-1" }), json!({ "epc": "-1" }), r#"epc: "-1" is less than nothing"#),
        (json!({ "epc": "8Ei" }), json!({}), r#"epc: "8Ei" is more than a quantity can be, 2^63-1"#),
        (
            json!({ "epc": [] }),
            json!({}),
            "epc: a quantity is a text or a number, not a list, a map, true or false",
        ),
        (
            json!({ "provision": "1 Mi" }),
            json!({}),
            r#"provision: "1 Mi" is no quantity: write a number, and after it nothing, one of n u m k M G T P E Ki Mi Gi Ti Pi Ei, or an exponent like e3"#,
        ),
    ] {
        let named = |amounts: &Value| -> Value {
            amounts
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, amount)| (format!("sgx.intel.com/{name}"), amount.clone()))
                .collect()
        };
        let resources = json!({ "limits": named(&limits), "requests": named(&requests) });
        for list in ["containers", "initContainers"] {
            let pod = json!({ "spec": { list: [{ "name": "a", "resources": resources }] } });
            assert_eq!(refused(pod), format!("container \"a\": sgx.intel.com/{message}"));
        }
    }
}

#[test]
fn more_memory_than_can_be_counted_is_refused() {
    let half = container("a", json!({ "sgx.intel.com/epc": "4Ei" }));
    assert_eq!(
        refused(pod("", json!([half, half]))),
        "the containers ask for more sgx.intel.com/epc together than 2^63-1 bytes"
    );
}

#[test]
fn resources_of_others_are_not_looked_at() {
    let limits = json!({ "sgx.intel.company/x": "500m", "sgx.intel.com": "-1", "sgx.intel.comet/epc": "?", "cpu": "1m" });
    let pod = json!({ "spec": { "containers": [{ "name": "a", "resources": { "limits": limits } }] } });
    assert_eq!(mutate(pod), Outcome::unchanged());
}
