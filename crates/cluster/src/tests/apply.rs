//! Server-side apply.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;

use super::*;

/// What a server answers to one question after the other, and what it was asked.
async fn answering(
    answers: impl IntoIterator<Item = (u16, Value)>,
) -> (testing::ApiServer, Arc<Mutex<Vec<testing::Request>>>) {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (asked, mut answers) = (Arc::clone(&requests), answers.into_iter().collect::<VecDeque<_>>());
    let answer = move |request| {
        asked.lock().unwrap().push(request);
        answers.pop_front().unwrap()
    };
    (testing::ApiServer::start(answer).await, requests)
}

#[tokio::test]
async fn labels_are_applied_to_the_node_that_is_there_and_not_to_another() {
    let node = json!({"metadata": {"uid": "u-1"}});
    let (server, requests) = answering([(200, node.clone()), (200, node.clone())]).await;
    let found = apply_node_labels(&server.access(), "example", "node-1", &labels("1")).await;
    assert_eq!(found, Ok(node));
    let [get, apply] = requests.lock().unwrap().clone().try_into().unwrap();
    assert_eq!(get.line, "GET /api/v1/nodes/node-1");
    assert_eq!(apply.line, "PATCH /api/v1/nodes/node-1?fieldManager=example&force=false");
    assert_eq!(apply.content_type, "application/apply-patch+yaml");
    let metadata = json!({"name": "node-1", "uid": "u-1", "labels": {"example.com/a": "1"}});
    assert_eq!(apply.body, json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata}));
}

#[tokio::test]
async fn a_node_that_is_not_there_is_not_made() {
    for (answer, expected) in [
        (
            (404, json!({"message": "nodes \"node-1\" not found"})),
            "answers 404 Not Found for node node-1: nodes",
        ),
        ((200, json!({})), "answers a node node-1 without a uid"),
    ] {
        let (server, requests) = answering([answer]).await;
        let error = apply_node_labels(&server.access(), "example", "node-1", &labels("1")).await.unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert_eq!(requests.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_node_feature_is_applied_whole_and_goes_with_its_pod() {
    let (server, requests) = answering([(201, json!({})), (200, json!({}))]).await;
    let labels = labels("1");
    let pod = Some(("pod-1", "u-1"));
    let feature = NodeFeature { namespace: "ns", name: "a-node-1", node: "node-1", pod, labels: &labels };
    feature.apply(&server.access(), "example").await.unwrap();
    NodeFeature { pod: None, ..feature }.apply(&server.access(), "example").await.unwrap();
    let [first, second] = requests.lock().unwrap().clone().try_into().unwrap();
    assert_eq!(
        first.line,
        "PATCH /apis/nfd.k8s-sigs.io/v1alpha1/namespaces/ns/nodefeatures/a-node-1?fieldManager=example&force=true"
    );
    assert_eq!(first.content_type, "application/apply-patch+yaml");
    assert_eq!(
        first.body,
        json!({
            "apiVersion": "nfd.k8s-sigs.io/v1alpha1",
            "kind": "NodeFeature",
            "metadata": {
                "name": "a-node-1",
                "namespace": "ns",
                "labels": {"nfd.node.kubernetes.io/node-name": "node-1"},
                "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "pod-1", "uid": "u-1"}],
            },
            "spec": {
                "features": {"attributes": {}, "flags": {}, "instances": {}},
                "labels": {"example.com/a": "1"},
            },
        })
    );
    assert_eq!(second.body["metadata"]["ownerReferences"], json!([]));
}

/// Names, and what is nearly one.
fn names() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9.-]{1,8}", "[a-z][a-z/?#%. \\r\\n-]{0,2}[a-z]", any::<String>()]
}

proptest! {
    #[test]
    fn any_names_are_refused_or_are_one_part_each_of_the_address(namespace in names(), name in names()) {
        let Ok(object) = Object::node_feature(&namespace, &name) else { return Ok(()) };
        let address = format!("https://a{}?force=true", object.path).parse::<hyper::Uri>().unwrap();
        let parts: Vec<&str> = address.path().split('/').collect();
        let expected = ["", "apis", "nfd.k8s-sigs.io", "v1alpha1", "namespaces", &namespace, "nodefeatures", &name];
        prop_assert_eq!(parts, expected);
        prop_assert!(![".", ".."].contains(&namespace.as_str()) && ![".", ".."].contains(&name.as_str()));
        prop_assert_eq!(address.query(), Some("force=true"));
    }
}
