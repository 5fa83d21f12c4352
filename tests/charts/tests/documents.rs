//! What is said of values, and what is checked of them.

use charts::{FAMILIES, charts, read, repository, schema, table, values, yaml};
use serde_json::Value;
use simulator::golden;

const MARK: &str =
    "<!-- Written by `UPDATE_GOLDEN=1 cargo test -p charts` from the comments of values.yaml. -->\n";

#[test]
fn each_chart_has_a_table_of_its_values() {
    for chart in charts() {
        let file = format!("charts/{chart}/README.md");
        let text = read(&file);
        let (above, _) = text.split_once(MARK).unwrap_or((&text, ""));
        golden(repository(&file), &format!("{above}{MARK}\n{}", table(&chart)));
    }
}

#[test]
fn each_value_is_described() {
    for chart in charts() {
        for entry in values(&chart) {
            let is_told = !entry.description.is_empty() || entry.default.is_none();
            assert!(is_told, "{chart}: {}", entry.path.join("."));
        }
    }
}

#[test]
fn each_chart_has_a_schema_of_its_values() {
    for chart in charts() {
        let text = serde_json::to_string_pretty(&schema(&chart)).unwrap() + "\n";
        golden(repository(&format!("charts/{chart}/values.schema.json")), &text);
    }
}

#[test]
fn fields_of_custom_resources_have_values_by_which_they_can_be_set() {
    for family in FAMILIES {
        let definition = yaml(&format!(
            "deployments/operator/crd/bases/deviceplugin.intel.com_{family}deviceplugins.yaml"
        ));
        let spec = definition
            .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties")
            .and_then(Value::as_object)
            .unwrap();
        let values = yaml(&format!("charts/{family}-device-plugin/values.yaml"));
        let template = read(&format!("charts/{family}-device-plugin/templates/{family}.yaml"))
            + &read(&format!("charts/{family}-device-plugin/templates/_common.tpl"));
        for field in spec.keys() {
            let value = if field == "preferredAllocationPolicy" { "allocationPolicy" } else { field };
            assert!(!values[value].is_null(), "{family}: {field} has no value");
            assert!(template.contains(&format!("\"{field}\"")), "{family}: {field} is in no template");
        }
    }
}
