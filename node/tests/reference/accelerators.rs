//! Accelerators of Xeon processors: DSA, IAA, QAT.

use super::{Case, PREFERS, check};

/// Two physical functions with two virtual ones each, all given to VFIO. (With one that is not, the Go implementation
/// ends.)
const QAT: &str = "title QAT
use vfio
use pci-driver driver=4xxx
use qat-pf at=pci0000:6b pci=0000:6b:00.0 group=100 vfs=2 services=sym;asym numa=0
use qat-vf-vfio at=pci0000:6b pf=0000:6b:00.0 vf=0 pci=0000:6b:00.1 group=101 numa=0
use qat-vf-vfio at=pci0000:6b pf=0000:6b:00.0 vf=1 pci=0000:6b:00.2 group=102 numa=0
use qat-pf at=pci0000:e8 pci=0000:e8:00.0 group=103 vfs=2 services=dc numa=1
use qat-vf-vfio at=pci0000:e8 pf=0000:e8:00.0 vf=0 pci=0000:e8:00.1 group=104 numa=1
use qat-vf-vfio at=pci0000:e8 pf=0000:e8:00.0 vf=1 pci=0000:e8:00.2 group=105 numa=1
";
const CY: [&str; 2] = ["0000:6b:00.1", "0000:6b:00.2"];

/// Two DSA given to VFIO.
const DSA_VFIO: &str = "title DSA on VFIO
use vfio
use pci-function at=pci0000:6a pci=0000:6a:01.0 device=0x0b25 class=0x088000 numa=0
use vfio-group at=pci0000:6a pci=0000:6a:01.0 group=12
use pci-function at=pci0000:e7 pci=0000:e7:01.0 device=0x0b25 class=0x088000 numa=1
use vfio-group at=pci0000:e7 pci=0000:e7:01.0 group=16
";

#[tokio::test]
async fn services_of_qat() {
    check(Case {
        family: "qat",
        name: "services",
        profile: QAT,
        resources: &[("cy", 2), ("dc", 2)],
        allocate: &[("cy", &CY), ("dc", &["0000:e8:00.2"])],
        differences: &[(
            "env QAT0=0000:6b:00.2\n  env QAT1=0000:6b:00.1",
            "env QAT0=0000:6b:00.1\n  env QAT1=0000:6b:00.2",
            "its order is that of chance",
        )],
        ..Case::default()
    })
    .await;
}

#[tokio::test]
async fn policies_of_qat() {
    for policy in ["packed", "balanced"] {
        let flag = format!("-allocation-policy={policy}");
        check(Case {
            family: "qat",
            name: policy,
            profile: QAT,
            flags: &[&flag, "-max-num-devices=3"],
            resources: &[("cy", 2), ("dc", 1)],
            prefer: &[("cy", 1), ("cy", 2)],
            ..Case::default()
        })
        .await;
    }
}

#[tokio::test]
async fn queues_of_dsa() {
    check(Case {
        family: "dsa",
        name: "queues",
        profile: "xeon-accelerators",
        flags: &["-shared-dev-num", "2"],
        resources: &[("wq-kernel-dedicated", 4), ("wq-user-dedicated", 4), ("wq-user-shared", 8)],
        allocate: &[
            ("wq-user-dedicated", &["wq-user-dedicated-wq4.0-0", "wq-user-dedicated-wq0.0-0"]),
            ("wq-user-shared", &["wq-user-shared-wq2.1-1", "wq-user-shared-wq2.1-0"]),
            ("wq-kernel-dedicated", &["wq-kernel-dedicated-wq0.2-0"]),
        ],
        differences: &[PREFERS],
        ..Case::default()
    })
    .await;
}

#[tokio::test]
async fn queues_of_iaa() {
    check(Case {
        family: "iaa",
        name: "queues",
        profile: "xeon-accelerators",
        resources: &[("wq-kernel-dedicated", 4), ("wq-user-dedicated", 4), ("wq-user-shared", 4)],
        allocate: &[
            ("wq-user-dedicated", &["wq-user-dedicated-wq5.0-0"]),
            ("wq-user-shared", &["wq-user-shared-wq7.1-0"]),
        ],
        differences: &[PREFERS],
        ..Case::default()
    })
    .await;
}

#[tokio::test]
async fn dsa_on_vfio() {
    check(Case {
        family: "dsa",
        name: "vfio",
        profile: DSA_VFIO,
        flags: &["-driver=vfio-pci"],
        resources: &[("vfio", 2)],
        allocate: &[("vfio", &["0000:e7:01.0"])],
        differences: &[PREFERS],
        ..Case::default()
    })
    .await;
}
