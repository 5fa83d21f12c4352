//! A family of devices, an operator, and what is asked of both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use controller::{
    Common, DevicePlugin, Family, Fence, ImageField, ReconcileMetrics, Settings, Status, Template, run,
};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::fake::{Api, CONFIG_MAPS, DAEMONSETS, OBJECTS, PODS};

#[derive(CustomResource, Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[kube(group = "deviceplugin.intel.com", version = "v1", kind = "ExampleDevicePlugin", status = "Status")]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ExampleDevicePluginSpec {
    #[serde(flatten)]
    common: Common,
    init_image: String,
    config: String,
}

impl DevicePlugin for ExampleDevicePlugin {
    type Spec = ExampleDevicePluginSpec;

    const NAME: &'static str = "example";
    const TEMPLATE: &'static str = include_str!("objects/template.yaml");
    const IMAGES: &'static [ImageField] = &[
        ImageField::of_plugin(&["intel-example-plugin"]),
        ImageField::of_init(&["intel-example-initcontainer"]),
    ];

    fn common(spec: &ExampleDevicePluginSpec) -> &Common {
        &spec.common
    }

    fn config_map(spec: &ExampleDevicePluginSpec) -> Option<&str> {
        Some(spec.config.as_str()).filter(|name| !name.is_empty())
    }

    fn check(spec: &ExampleDevicePluginSpec) -> Result<(), String> {
        if spec.common.log_level > 9 { Err("logLevel is above 9".to_owned()) } else { Ok(()) }
    }

    fn args(_spec: &ExampleDevicePluginSpec) -> Vec<String> {
        Vec::new()
    }

    fn check_flags(_flags: &[String]) -> Result<(), String> {
        Ok(())
    }

    fn shape(spec: &ExampleDevicePluginSpec, template: &mut Template) {
        if !spec.init_image.is_empty() {
            let init = json!({"name": "init", "image": spec.init_image});
            template.init_containers().push(serde_json::from_value(init).unwrap());
        }
        if !spec.config.is_empty() {
            template.add_config_map("config", "/config", &spec.config, None);
        }
    }
}

/// A family that the cluster has no definition of, as when an operator is newer: it must hold up nothing.
#[derive(CustomResource, Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[kube(group = "deviceplugin.intel.com", version = "v1", kind = "NewDevicePlugin", status = "Status")]
pub(crate) struct NewDevicePluginSpec {
    #[serde(flatten)]
    common: Common,
}

impl DevicePlugin for NewDevicePlugin {
    type Spec = NewDevicePluginSpec;

    const NAME: &'static str = "new";
    const TEMPLATE: &'static str = include_str!("objects/template.yaml");
    const IMAGES: &'static [ImageField] = &[ImageField::of_plugin(&["intel-new-plugin"])];

    fn common(spec: &NewDevicePluginSpec) -> &Common {
        &spec.common
    }

    fn check(_spec: &NewDevicePluginSpec) -> Result<(), String> {
        Ok(())
    }

    fn args(_spec: &NewDevicePluginSpec) -> Vec<String> {
        Vec::new()
    }

    fn check_flags(_flags: &[String]) -> Result<(), String> {
        Ok(())
    }

    fn shape(_spec: &NewDevicePluginSpec, _template: &mut Template) {}
}

const FAMILIES: &[Family] = &[Family::of::<NewDevicePlugin>(), Family::of::<ExampleDevicePlugin>()];

/// An API server, and an operator that dies when dropped.
pub(crate) struct World {
    pub(crate) api: Api,
    pub(crate) metrics: Arc<ReconcileMetrics>,
    pub(crate) overrides: BTreeMap<String, String>,
    operator: Option<JoinHandle<()>>,
}

impl World {
    /// Without an operator yet.
    pub(crate) fn empty() -> Self {
        Self { api: Api::default(), metrics: Arc::default(), overrides: BTreeMap::new(), operator: None }
    }

    /// With an operator, and an object `a`.
    pub(crate) async fn with_object(spec: Value) -> Self {
        let mut world = Self::empty();
        world.object("a", spec);
        world.start(Fence::open()).await;
        world
    }

    /// Starts an operator, in place of the one that runs. What it does at its start is done then.
    pub(crate) async fn start(&mut self, fence: Fence) {
        self.replace(fence);
        self.settle().await;
    }

    /// Starts an operator, in place of the one that runs.
    pub(crate) fn replace(&mut self, fence: Fence) {
        self.stop();
        let settings = Settings { namespace: "devices".to_owned(), ..Settings::default() };
        let (client, metrics, overrides) = (self.api.client(), self.metrics.clone(), self.overrides.clone());
        self.operator = Some(tokio::spawn(async move {
            run(client, FAMILIES, settings, overrides, fence, metrics).await;
        }));
    }

    pub(crate) fn stop(&mut self) {
        if let Some(operator) = self.operator.take() {
            operator.abort();
        }
    }

    /// Until nothing is left to do.
    pub(crate) async fn settle(&self) {
        self.pass(20).await;
    }

    pub(crate) async fn pass(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    pub(crate) fn object(&self, name: &str, mut spec: Value) -> Value {
        if spec["image"].is_null() {
            spec["image"] = json!("intel/intel-example-plugin:0.36.0");
        }
        let kind = "ExampleDevicePlugin";
        self.api.create(
            OBJECTS,
            json!({"apiVersion": "deviceplugin.intel.com/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}),
        )
    }

    /// Has an admin change an object's spec.
    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        self.api.edit("kubectl-edit", OBJECTS, name, |object| change(&mut object["spec"]));
    }

    /// The DaemonSet of an object.
    pub(crate) fn daemonset(&self, name: &str) -> Value {
        self.api.get(DAEMONSETS, &daemonset_of(name)).unwrap_or_else(|| panic!("{name} has no DaemonSet"))
    }

    /// Has somebody change the DaemonSet of an object.
    pub(crate) fn meddle(&self, name: &str, change: impl FnOnce(&mut Value)) {
        self.api.edit("kubectl-edit", DAEMONSETS, &daemonset_of(name), change);
    }

    /// Has the DaemonSet controller say how far the pods are: on how many nodes they are wanted, of the newest template, ready.
    pub(crate) fn pods_are(&self, name: &str, desired: i32, updated: i32, ready: i32) {
        self.api.edit("kube-controller-manager", DAEMONSETS, &daemonset_of(name), |daemonset| {
            let generation = daemonset["metadata"]["generation"].clone();
            daemonset["status"] = json!({"observedGeneration": generation, "desiredNumberScheduled": desired,
                "updatedNumberScheduled": updated, "numberReady": ready});
        });
    }

    /// Adds a pod of the DaemonSet of an object.
    pub(crate) fn pod(&self, name: &str, node: &str, pod: &str, ready: &str) {
        let owner = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": daemonset_of(name),
            "uid": self.daemonset(name)["metadata"]["uid"], "controller": true});
        let metadata = json!({"name": pod, "namespace": "devices", "labels": {"app": "intel-example-plugin"}, "ownerReferences": [owner]});
        let conditions = json!([{"type": "Ready", "status": ready}]);
        self.api.create(
            PODS,
            json!({"metadata": metadata, "spec": {"nodeName": node, "containers": []}, "status": {"conditions": conditions}}),
        );
    }

    pub(crate) fn config_map(&self, name: &str, text: &str) {
        let metadata = json!({"name": name, "namespace": "devices"});
        self.api.create(
            CONFIG_MAPS,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"conf": text}}),
        );
    }

    pub(crate) fn status(&self, name: &str) -> Value {
        self.api.get(OBJECTS, name).unwrap()["status"].clone()
    }

    /// A condition, as `status reason`.
    pub(crate) fn condition(&self, name: &str, of: &str) -> String {
        let condition = self.raw_condition(name, of);
        format!("{} {}", condition["status"].as_str().unwrap(), condition["reason"].as_str().unwrap())
    }

    pub(crate) fn message(&self, name: &str) -> String {
        self.raw_condition(name, "Degraded")["message"].as_str().unwrap().to_owned()
    }

    fn raw_condition(&self, name: &str, of: &str) -> Value {
        let status = self.status(name);
        let conditions =
            status["conditions"].as_array().unwrap_or_else(|| panic!("{name} has the status {status}"));
        conditions.iter().find(|condition| condition["type"] == of).unwrap().clone()
    }

    /// Fails if anything is written in ten minutes in which nothing happens, or by a new operator.
    pub(crate) async fn is_steady(&mut self) {
        self.settle().await;
        self.api.writes();
        self.pass(600).await;
        assert_eq!(self.api.writes(), [""; 0]);
        self.start(Fence::open()).await;
        assert_eq!(self.api.writes(), [""; 0], "by a new operator");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) fn daemonset_of(name: &str) -> String {
    format!("intel-example-plugin-{name}")
}
