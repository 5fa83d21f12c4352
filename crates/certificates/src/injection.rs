//! Webhook configurations, and the bundle in them.

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::Configuration;
use crate::ask::{AskError, Request, ask};

/// Other parties that write bundles, by the annotation that asks them to. Two writers would overwrite each other for ever.
const OTHERS: [&str; 2] = ["cert-manager.io/inject-", "service.beta.openshift.io/inject-cabundle"];

/// One webhook configuration.
pub(crate) struct Target {
    api: Api<DynamicObject>,
    pub(crate) kind: ApiResource,
    pub(crate) resource: &'static str,
    pub(crate) name: String,
}

/// Why a configuration does not have the bundle.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InjectError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("there is no {0} {1:?} yet")]
    Missing(&'static str, String),
    #[error("{0} {1:?} has no webhook that is served by the Service {2} of namespace {3}")]
    NotOurs(&'static str, String, String, String),
    #[error(
        "{0} {1:?} is annotated {2}, so its caBundle is left to others: remove the annotation, or mount a certificate"
    )]
    Others(&'static str, String, String),
    #[error("{0} {1:?} cannot be read: {2}")]
    Unreadable(&'static str, String, String),
}

impl Target {
    pub(crate) fn new(client: &Client, configuration: &Configuration) -> Self {
        let (kind, resource, name) = match configuration {
            Configuration::Mutating(name) => (
                ApiResource::erase::<MutatingWebhookConfiguration>(&()),
                "mutatingwebhookconfigurations.admissionregistration.k8s.io",
                name,
            ),
            Configuration::Validating(name) => (
                ApiResource::erase::<ValidatingWebhookConfiguration>(&()),
                "validatingwebhookconfigurations.admissionregistration.k8s.io",
                name,
            ),
        };
        Self { api: Api::all_with(client.clone(), &kind), kind, resource, name: name.clone() }
    }

    pub(crate) fn request(&self, verb: &'static str) -> Request {
        Request { verb, resource: self.resource, name: self.name.clone() }
    }

    /// The configuration as it is now, if there is one.
    pub(crate) async fn read(&self) -> Result<Option<DynamicObject>, AskError> {
        ask(self.request("get"), self.api.get_opt(&self.name)).await
    }

    /// Puts `bundle` in all webhooks of `seen` that our Service serves, unless it is there. Says whether it wrote.
    /// Fails with [`AskError::Changed`] if the configuration is not as it was seen.
    pub(crate) async fn inject(
        &self,
        seen: &DynamicObject,
        namespace: &str,
        service: &str,
        bundle: &str,
    ) -> Result<bool, InjectError> {
        let annotations = seen.metadata.annotations.iter().flatten();
        if let Some((other, _)) =
            annotations.into_iter().find(|(key, _)| OTHERS.iter().any(|o| key.starts_with(o)))
        {
            return Err(InjectError::Others(self.resource, self.name.clone(), other.clone()));
        }
        let unreadable = |what: String| InjectError::Unreadable(self.resource, self.name.clone(), what);
        let encoded = serde_json::to_value(ByteString(bundle.as_bytes().to_vec()))
            .map_err(|error| unreadable(error.to_string()))?;
        let none = Vec::new();
        let webhooks = seen.data.get("webhooks").and_then(Value::as_array).unwrap_or(&none);
        let ours = webhooks.iter().enumerate().filter(|(_, webhook)| {
            let field =
                |name| webhook.pointer(&format!("/clientConfig/service/{name}")).and_then(Value::as_str);
            field("namespace") == Some(namespace) && field("name") == Some(service)
        });
        let ours: Vec<_> = ours.collect();
        if ours.is_empty() {
            let (namespace, service) = (namespace.to_owned(), service.to_owned());
            return Err(InjectError::NotOurs(self.resource, self.name.clone(), service, namespace));
        }
        let stale =
            ours.iter().filter(|(_, webhook)| webhook.pointer("/clientConfig/caBundle") != Some(&encoded));
        // The version stands for everything: the places in the list, the names and the services that were looked at.
        let version = json!({"op": "test", "path": "/metadata/resourceVersion", "value": seen.metadata.resource_version});
        let mut patch = vec![version];
        patch.extend(stale.map(|(index, _)| {
            json!({"op": "add", "path": format!("/webhooks/{index}/clientConfig/caBundle"), "value": encoded})
        }));
        if patch.len() == 1 {
            return Ok(false);
        }
        let patch =
            serde_json::from_value(Value::from(patch)).map_err(|error| unreadable(error.to_string()))?;
        let patch = Patch::Json::<()>(patch);
        ask(self.request("patch"), self.api.patch(&self.name, &PatchParams::default(), &patch)).await?;
        Ok(true)
    }
}
