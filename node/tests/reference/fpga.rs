//! FPGAs.

use super::{Case, check};

const ARRIA: &str = "69528db6eb31577a8c3668f9faa081f6";

#[tokio::test]
async fn functions() {
    let functions = [
        "af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs",
        "af-695.f7d.aVKNtusxV3qMNmj5-qCB9vffQFy9es9yIvFEsLk6zRg",
    ];
    check(Case {
        family: "fpga",
        name: "functions_opae",
        profile: "fpga-arria10",
        flags: &["-mode=af"],
        resources: &functions.map(|function| (function, 1)),
        allocate: &[(functions[0], &["intel-fpga-port.0"]), (functions[1], &["intel-fpga-port.1"])],
        ..Case::default()
    })
    .await;
}

#[tokio::test]
async fn functions_on_dfl() {
    let function = "af-bfa.f7d.v6xNhR7oVv6MlYZc4buqLfffQFy9es9yIvFEsLk6zRg";
    check(Case {
        family: "fpga",
        name: "functions_dfl",
        profile: "fpga-stratix10",
        resources: &[(function, 1)],
        allocate: &[(function, &["dfl-port.0"])],
        ..Case::default()
    })
    .await;
}

#[tokio::test]
async fn regions() {
    let region = format!("region-{ARRIA}");
    check(Case {
        family: "fpga",
        name: "regions_opae",
        profile: "fpga-arria10",
        flags: &["-mode=region"],
        resources: &[(&region, 2)],
        allocate: &[(&region, &["intel-fpga-fme.1", "intel-fpga-fme.0"])],
        ..Case::default()
    })
    .await;
}

#[tokio::test]
async fn regions_for_development() {
    let region = "region-bfac4d851ee856fe8c95865ce1bbaa2d";
    check(Case {
        family: "fpga",
        name: "regiondevel_dfl",
        profile: "fpga-stratix10",
        flags: &["-mode", "regiondevel"],
        resources: &[(region, 1)],
        allocate: &[(region, &["dfl-fme.0"])],
        ..Case::default()
    })
    .await;
}
