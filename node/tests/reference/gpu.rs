//! GPUs.

use super::{Case, check};

#[tokio::test]
async fn cards_and_monitoring_on_two_drivers() {
    check(Case {
        family: "gpu",
        name: "two_drivers",
        profile: "arc-b580-igpu",
        flags: &["-enable-monitoring"],
        resources: &[("i915", 1), ("xe", 1), ("monitoring", 1)],
        allocate: &[("i915", &["card0-0"]), ("xe", &["card1-0"]), ("monitoring", &["all"])],
        prefer: &[("xe", 1), ("monitoring", 1)],
        ..Case::default()
    })
    .await;
}

#[tokio::test]
async fn monitoring_by_driver() {
    let resources = &[("i915", 1), ("xe", 1), ("i915_monitoring", 1), ("xe_monitoring", 1)];
    check(Case {
        family: "gpu",
        name: "split_monitoring",
        profile: "arc-b580-igpu",
        flags: &["-enable-monitoring", "-monitoring-mode=split", "-bypath=none"],
        resources,
        allocate: &[
            ("i915", &["card0-0"]),
            ("xe", &["card1-0"]),
            ("i915_monitoring", &["all"]),
            ("xe_monitoring", &["all"]),
        ],
        prefer: &[],
        ..Case::default()
    })
    .await;
}

#[tokio::test]
async fn several_units_of_shared_cards_in_one_container() {
    check(Case {
        family: "gpu",
        name: "shared_cards",
        profile: "flex-170-x2",
        flags: &["-shared-dev-num=3", "-bypath=all"],
        resources: &[("i915", 6)],
        allocate: &[("i915", &["card1-2", "card0-1", "card1-0"])],
        prefer: &[("i915", 6)],
        ..Case::default()
    })
    .await;
}

#[tokio::test]
async fn virtual_functions_without_their_physical_one() {
    let all = &["card1-0", "card2-0", "card3-0", "card4-0", "card5-0", "card6-0", "card7-0"];
    check(Case {
        family: "gpu",
        name: "virtual_functions",
        profile: "flex-170-sriov",
        flags: &["-enable-monitoring", "-allow-ids=0x56c0"],
        resources: &[("i915", 7), ("monitoring", 1)],
        allocate: &[("i915", all), ("monitoring", &["all"])],
        prefer: &[],
        ..Case::default()
    })
    .await;
}

#[tokio::test]
async fn monitoring_with_the_firmwares_interfaces() {
    let all = &["card0-0", "card1-0", "card2-0", "card3-0", "card4-0", "card5-0", "card6-0", "card7-0"];
    check(Case {
        family: "gpu",
        name: "firmware_interfaces",
        profile: "max-1550-x8",
        flags: &["-enable-monitoring", "-deny-ids=0x56c0"],
        resources: &[("i915", 8), ("monitoring", 1)],
        allocate: &[("i915", all), ("monitoring", &["all"])],
        prefer: &[],
        ..Case::default()
    })
    .await;
}

#[tokio::test]
async fn preferences_with_the_balanced_policy() {
    check(Case {
        family: "gpu",
        name: "balanced",
        profile: "flex-170-sriov",
        flags: &["-shared-dev-num=3", "-allocation-policy=balanced"],
        resources: &[("i915", 21)],
        allocate: &[],
        prefer: &[("i915", 1), ("i915", 4), ("i915", 11)],
        ..Case::default()
    })
    .await;
}

#[tokio::test]
async fn preferences_with_the_packed_policy() {
    check(Case {
        family: "gpu",
        name: "packed",
        profile: "flex-170-sriov",
        flags: &["-shared-dev-num=3", "-allocation-policy=packed"],
        resources: &[("i915", 21)],
        allocate: &[],
        prefer: &[("i915", 1), ("i915", 4), ("i915", 11)],
        ..Case::default()
    })
    .await;
}
