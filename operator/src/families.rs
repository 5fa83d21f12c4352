//! The families of devices that the operator knows: a new one is a line here.

use controller::Family;

/// In the order of their names.
pub(crate) const FAMILIES: &[Family] = &[
    dlb_operator::FAMILY,
    idxd_operator::DSA,
    fpga_operator::FAMILY,
    gpu_operator::FAMILY,
    idxd_operator::IAA,
    npu_operator::FAMILY,
    qat_operator::FAMILY,
    sgx_operator::FAMILY,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_server_is_told_of_all_webhooks_of_all_kinds() {
        let [mutating, validating] = [
            include_str!("../../deployments/operator/webhook/mutating.yaml"),
            include_str!("../../deployments/operator/webhook/validating.yaml"),
        ];
        for family in FAMILIES {
            let [defaults, validates] = controller::webhooks(*family).map(|webhook| webhook.path);
            assert!(mutating.contains(&format!("path: {defaults}\n")), "{defaults}");
            assert!(validating.contains(&format!("path: {validates}\n")), "{validates}");
        }
        assert_eq!(mutating.matches("path: /mutate-deviceplugin").count(), FAMILIES.len());
        assert_eq!(validating.matches("path: /").count(), FAMILIES.len());
    }
}
