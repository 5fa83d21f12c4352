//! The account by whose token Prometheus reads the operator's page.

use crate::world::{NAMESPACE, world};

const ACCOUNT: &str = "intel-device-plugins-metrics-reader";

#[test]
fn prometheus_gets_a_token_that_opens_the_operators_page_and_nothing_else() {
    let Some(world) = world() else { return };
    let may = |verb: &str, what: &str| {
        let account = format!("--as=system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
        // It ends with an error when the answer is no.
        world.cluster.try_kubectl(&["auth", "can-i", verb, what, "-n", NAMESPACE, &account]).is_ok()
    };
    assert!(!may("get", "/metrics"));
    // The kinds of the other objects are Prometheus Operator's.
    let files = ["account", "token", "binding"].map(|name| format!("-f=deployments/monitoring/{name}.yaml"));
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    world.cluster.kubectl(&[&["apply", "-n", NAMESPACE], &files[..]].concat());
    world.wait("a token in the Secret", || {
        let secret = world.json(&["get", "secret", ACCOUNT, "-n", NAMESPACE])?;
        secret["data"]["token"].as_str().map(drop)
    });
    assert!(may("get", "/metrics"));
    for (verb, what) in [("get", "/logs"), ("get", "secrets"), ("list", "pods")] {
        assert!(!may(verb, what), "{verb} {what}");
    }
    // The account's Secret goes with the account.
    world.cluster.kubectl(&[&["delete", "-n", NAMESPACE, "--ignore-not-found"], &files[..]].concat());
}
