//! Families with few kinds of devices: NPU, SGX, DLB.

use super::{Case, PREFERS, check};

#[tokio::test]
async fn npus() {
    check(Case {
        family: "npu",
        name: "npu",
        profile: "npu-laptop",
        resources: &[("accel", 1)],
        allocate: &[("accel", &["accel0-0"])],
        differences: &[PREFERS],
        ..Case::default()
    })
    .await;
}

#[tokio::test]
async fn shared_npus() {
    check(Case {
        family: "npu",
        name: "shared",
        profile: "npu-laptop",
        flags: &["-shared-dev-num=3"],
        resources: &[("accel", 3)],
        allocate: &[("accel", &["accel0-2", "accel0-0"])],
        differences: &[PREFERS],
        ..Case::default()
    })
    .await;
}

#[tokio::test]
async fn enclaves() {
    check(Case {
        family: "sgx",
        name: "enclaves",
        profile: "xeon-accelerators",
        flags: &["-enclave-limit=3", "-provision-limit=2"],
        resources: &[("enclave", 3), ("provision", 2)],
        allocate: &[("enclave", &["sgx-enclave-2", "sgx-enclave-0"]), ("provision", &["sgx-provision-1"])],
        ..Case::default()
    })
    .await;
}

#[tokio::test]
async fn attestation_infrastructure() {
    check(Case {
        family: "sgx",
        name: "infrastructure",
        profile: "xeon-accelerators",
        flags: &["-enclave-limit=1", "-provision-limit=1", "-dcap-infra-resources"],
        resources: &[("enclave", 1), ("provision", 1), ("qe", 1), ("registration", 1)],
        allocate: &[("qe", &["qe-1"]), ("registration", &["registration-1"])],
        ..Case::default()
    })
    .await;
}

#[tokio::test]
async fn load_balancers() {
    check(Case {
        family: "dlb",
        name: "dlb",
        profile: "xeon-accelerators",
        resources: &[("pf", 1), ("vf", 1)],
        allocate: &[("pf", &["/dev/dlb0"]), ("vf", &["/dev/dlb2"])],
        differences: &[PREFERS],
        ..Case::default()
    })
    .await;
}
