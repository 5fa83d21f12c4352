//! The one question to the Kubernetes API: which mode an annotation of the node asks for.

use cluster::Access;
use serde_json::Value;

const ANNOTATION: &str = "fpga.intel.com/device-plugin-mode";

/// What the annotation of the node `name` says, if the node has it.
pub(crate) async fn mode_of_node(
    name: &str,
    kubeconfig: &str,
    master: &str,
) -> Result<Option<String>, String> {
    let access = if kubeconfig.is_empty() {
        if !master.is_empty() {
            tracing::warn!("-master has no effect without -kubeconfig");
        }
        Access::in_cluster().await.map_err(|error| format!("{error}, and there is no -kubeconfig"))?
    } else {
        Access::of_kubeconfig(kubeconfig, master).await?
    };
    Ok(mode(&cluster::node(&access, name).await?))
}

/// What the annotation of this Node object says.
fn mode(node: &Value) -> Option<String> {
    let annotation = node.pointer("/metadata/annotations").and_then(|all| all.get(ANNOTATION));
    annotation.and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_annotation_is_found_among_others() {
        for said in ["region", ""] {
            let annotations = json!({"fpga.intel.com/device-plugin-mode": said, "other": "x"});
            assert_eq!(mode(&json!({"metadata": {"annotations": annotations}})).as_deref(), Some(said));
        }
    }

    #[test]
    fn a_node_without_the_annotation_says_nothing() {
        let none = [
            json!({"metadata": {"annotations": {"other": "x"}}}),
            json!({"metadata": {}}),
            json!({}),
            json!([]),
        ];
        for node in none {
            assert_eq!(mode(&node), None, "{node}");
        }
        let number = json!({"metadata": {"annotations": {"fpga.intel.com/device-plugin-mode": 1}}});
        assert_eq!(mode(&number), None);
    }
}
