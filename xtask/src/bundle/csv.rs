//! The `ClusterServiceVersion`: what the operator is, may do, and is asked about.

use serde_json::{Map, Value, json};

use super::{OPERATOR, Options, PACKAGE, PREFIX, parse, prefixed, read, text, texts};
use crate::images::IMAGES;
use crate::version::VERSION;

/// The image of the operator.
const IMAGE: &str = "intel-deviceplugin-operator";
const SCC: &str = "security.openshift.io";

/// The base with what `deployments` says. The definitions are those of its custom resources.
pub(super) fn make(options: &Options, created: &str, definitions: &[Value]) -> Result<Value, String> {
    let mut csv = read(&format!("{OPERATOR}/manifests/bases/{PACKAGE}.clusterserviceversion.yaml"))?;
    csv["metadata"]["name"] = json!(format!("{PACKAGE}.v{VERSION}"));
    let annotations = &mut csv["metadata"]["annotations"];
    annotations["alm-examples"] = json!(examples()?);
    annotations["containerImage"] = json!(options.image(IMAGE));
    annotations["createdAt"] = json!(created);
    let namespace = namespace()?;
    annotations["operatorframework.io/suggested-namespace"] = namespace["metadata"]["name"].clone();
    annotations["operatorframework.io/suggested-namespace-template"] = json!(namespace.to_string());
    let spec = &mut csv["spec"];
    spec["version"] = json!(VERSION);
    if let Some(replaced) = &options.replaces {
        spec["replaces"] = json!(format!("{PACKAGE}.v{}", replaced.trim_start_matches('v')));
    }
    spec["customresourcedefinitions"] = json!({"owned": definitions.iter().map(owned).collect::<Vec<_>>()});
    spec["install"] = install(options)?;
    spec["webhookdefinitions"] = webhooks()?;
    spec["relatedImages"] =
        deployed().map(|name| json!({"name": name, "image": options.image(name)})).collect();
    Ok(csv)
}

/// The operator's image, and those of what it deploys.
fn deployed() -> impl Iterator<Item = &'static str> {
    let names = IMAGES.iter().map(|image| image.name);
    names.filter(|name| *name == IMAGE || name.ends_with("-plugin") || name.ends_with("-initcontainer"))
}

/// One object of each kind.
fn examples() -> Result<String, String> {
    let mut examples = Vec::new();
    for (name, text) in texts(&format!("{OPERATOR}/samples"))? {
        if name.starts_with("deviceplugin_") {
            examples.push(parse(&name, &text)?);
        }
    }
    let path = format!("{OPERATOR}/samples/mappings-collection.yaml");
    let mappings: Vec<Value> =
        serde_saphyr::from_multiple(&text(&path)?).map_err(|error| format!("{path}: {error}"))?;
    for kind in ["AcceleratorFunction", "FpgaRegion"] {
        examples.extend(mappings.iter().find(|mapping| mapping["kind"] == kind).cloned());
    }
    serde_json::to_string_pretty(&examples).map_err(|error| error.to_string())
}

/// The operator's namespace, with the level of Pod Security that plugins need.
fn namespace() -> Result<Value, String> {
    let mut namespace = read(&format!("{OPERATOR}/manager/namespace.yaml"))?;
    let kustomization = read(&format!("{OPERATOR}/default/kustomization.yaml"))?;
    namespace["metadata"]["name"] = kustomization["namespace"].clone();
    Ok(namespace)
}

/// A custom resource, with the fields of its spec.
fn owned(definition: &Value) -> Value {
    let spec = &definition["spec"];
    let kind = &spec["names"]["kind"];
    let version = &spec["versions"][0];
    let schema = &version["schema"]["openAPIV3Schema"];
    let fields = schema["properties"]["spec"]["properties"].as_object().into_iter().flatten();
    let fields = fields.map(|(name, field)| {
        let description = field["description"].as_str().unwrap_or_default().trim();
        json!({"path": name, "displayName": words(name), "description": description})
    });
    let mut owned = json!({
        "name": definition["metadata"]["name"],
        "kind": kind,
        "version": version["name"],
        "displayName": words(kind.as_str().unwrap_or_default()),
        "description": schema["description"].as_str().unwrap_or_default().trim(),
        "specDescriptors": fields.collect::<Vec<_>>(),
    });
    if !schema["properties"]["status"]["properties"]["conditions"].is_null() {
        owned["resources"] = json!([{"kind": "DaemonSet", "version": "v1", "name": ""}]);
        let conditions = "urn:alm:descriptor:io.kubernetes.conditions";
        owned["statusDescriptors"] = json!([{
            "path": "conditions",
            "displayName": "Conditions",
            "description": "Whether the plugin is available, and what is wrong if it is not.",
            "x-descriptors": [conditions],
        }]);
    }
    owned
}

/// `sharedDevNum` as `Shared Dev Num`, and `allowIDs` as `Allow IDs`.
fn words(name: &str) -> String {
    let mut words = String::new();
    let mut was_small = false;
    for (at, c) in name.char_indices() {
        if was_small && c.is_uppercase() {
            words.push(' ');
        }
        was_small = c.is_lowercase();
        words.push(if at == 0 { c.to_ascii_uppercase() } else { c });
    }
    words
}

/// The Deployment, and the rights of the accounts that Operator Lifecycle Manager makes.
fn install(options: &Options) -> Result<Value, String> {
    let deployment = read(&format!("{OPERATOR}/manager/manager.yaml"))?;
    let name = prefixed(&deployment["metadata"]["name"]);
    let mut spec = deployment["spec"].clone();
    let pod = &mut spec["template"]["spec"];
    let account = prefixed(&pod["serviceAccountName"]);
    pod["serviceAccountName"] = account.clone();
    let container = &mut pod["containers"][0];
    container["image"] = json!(options.image(IMAGE));
    let args = container["args"].as_array_mut().ok_or("the operator has no arguments")?;
    let flag = args.iter().position(|arg| arg == "-plugin-service-account");
    let plugin =
        flag.and_then(|at| args.get_mut(at + 1)).ok_or("the operator is told no account of plugins")?;
    *plugin = prefixed(plugin);
    let plugin = plugin.clone();
    let env = container["env"].as_array_mut().ok_or("the operator has no environment")?;
    // The operator deploys what the digests say, whatever objects name.
    let pinned = deployed().filter(|name| *name != IMAGE && options.digests.contains_key(*name));
    env.extend(pinned.map(|name| {
        let variable = format!("{}_SHA", name.to_uppercase().replace('-', "_"));
        json!({"name": variable, "value": options.image(name)})
    }));

    let rules = |paths: &[&str]| {
        let mut all = Vec::new();
        for path in paths {
            let role = read(&format!("{OPERATOR}/rbac/{path}.yaml"))?;
            all.extend(role["rules"].as_array().into_iter().flatten().cloned());
        }
        Ok::<_, String>(Value::from(all))
    };
    // On OpenShift: the pods of plugins, which mount folders of the node, would not be admitted.
    let scc = json!([{
        "apiGroups": [SCC], "resources": ["securitycontextconstraints"], "resourceNames": ["privileged"], "verbs": ["use"],
    }]);
    let given = |account: &Value, rules| json!({"serviceAccountName": account, "rules": rules});
    Ok(json!({
        "strategy": "deployment",
        "spec": {
            "deployments": [{"name": name, "label": deployment["metadata"]["labels"], "spec": spec}],
            "clusterPermissions": [
                given(&account, rules(&["cluster_role", "metrics_auth_role"])?),
                given(&plugin, rules(&["node_getter_role"])?),
            ],
            "permissions": [
                given(&account, rules(&["role", "leader_election_role"])?),
                given(&plugin, scc.clone()),
                given(&json!("default"), scc),
            ],
        },
    }))
}

/// What the API server asks the operator about. Operator Lifecycle Manager registers it, and makes the certificate.
fn webhooks() -> Result<Value, String> {
    let mut all = Vec::new();
    for kind in ["mutating", "validating"] {
        let registration = read(&format!("{OPERATOR}/webhook/{kind}.yaml"))?;
        for webhook in registration["webhooks"].as_array().into_iter().flatten() {
            let mut definition = Map::new();
            // matchConditions are not among what can be said here.
            for field in
                ["admissionReviewVersions", "failurePolicy", "reinvocationPolicy", "rules", "sideEffects"]
            {
                if let Some(value) = webhook.get(field) {
                    definition.insert(field.to_owned(), value.clone());
                }
            }
            let is_mutating = kind == "mutating";
            let kind = if is_mutating { "MutatingAdmissionWebhook" } else { "ValidatingAdmissionWebhook" };
            for (field, value) in [
                ("type", json!(kind)),
                ("generateName", webhook["name"].clone()),
                ("deploymentName", json!(format!("{PREFIX}controller-manager"))),
                ("containerPort", json!(443)),
                ("targetPort", json!(9443)),
                ("webhookPath", webhook["clientConfig"]["service"]["path"].clone()),
            ] {
                definition.insert(field.to_owned(), value);
            }
            all.push(Value::from(definition));
        }
    }
    Ok(json!(all))
}
