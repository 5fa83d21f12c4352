//! What the API server is asked. Each question has a time limit, and an error that says what to do.

use std::sync::Arc;
use std::time::Duration;

use api_server::causes;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client};
use serde_json::Value;

use crate::fence::{Fence, Lost};
use crate::fields::MANAGER;
use crate::{Family, GROUP, ReconcileMetrics};

/// The longest that an answer is waited for that only tells.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same for one that changes something: less than from the moment until which a leader may write to that from which another may
/// lead ([`crate::lease`]).
const PATIENCE_OF_WRITES: Duration = Duration::from_secs(4);

/// Why the API server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error("not allowed to {0}: add it to the role of the operator's service account ({1})")]
    Forbidden(String, String),
    #[error("cannot {0}: there is none")]
    Missing(String),
    /// Somebody else was faster.
    #[error("cannot {0}: it has changed meanwhile ({1})")]
    Changed(String, String),
    #[error("cannot {0}: no answer of the API server for {limit} s", limit = .1.as_secs())]
    Silent(String, Duration),
    #[error("cannot {0}: {1}")]
    Failed(String, String),
}

/// The API server, as one who leads may use it.
pub(crate) struct Ask {
    client: Client,
    fence: Fence,
    metrics: Arc<ReconcileMetrics>,
    recorder: Recorder,
}

/// The resource of a family's objects.
pub(crate) fn objects_of(family: &Family) -> ApiResource {
    ApiResource {
        group: GROUP.to_owned(),
        version: "v1".to_owned(),
        api_version: format!("{GROUP}/v1"),
        kind: family.kind(),
        plural: family.plural(),
    }
}

pub(crate) fn daemonsets() -> ApiResource {
    ApiResource::erase::<DaemonSet>(&())
}

impl Ask {
    pub(crate) fn new(client: Client, fence: Fence, metrics: Arc<ReconcileMetrics>) -> Self {
        let reporter = Reporter { controller: MANAGER.to_owned(), instance: None };
        Self { recorder: Recorder::new(client.clone(), reporter), client, fence, metrics }
    }

    pub(crate) async fn daemonset(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<DynamicObject>, AskError> {
        let what = || format!("get DaemonSet {namespace}/{name}");
        limited(what, PATIENCE, self.daemonsets_in(namespace).get_opt(name)).await
    }

    pub(crate) async fn config_map(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<ConfigMap>, AskError> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        limited(|| format!("get ConfigMap {namespace}/{name}"), PATIENCE, api.get_opt(name)).await
    }

    /// Creates a DaemonSet, or makes it what it should be, whoever else wrote to it.
    pub(crate) async fn apply(
        &self,
        namespace: &str,
        name: &str,
        wanted: &Value,
    ) -> Result<DynamicObject, AskError> {
        let how = PatchParams::apply(MANAGER).force();
        let what = || format!("apply DaemonSet {namespace}/{name}");
        self.may_write("daemonset")?;
        limited(
            what,
            PATIENCE_OF_WRITES,
            self.daemonsets_in(namespace).patch(name, &how, &Patch::Apply(wanted)),
        )
        .await
    }

    /// Changes some fields of a DaemonSet.
    pub(crate) async fn patch(
        &self,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<DynamicObject, AskError> {
        let what = || format!("patch the managed fields of DaemonSet {namespace}/{name}");
        self.may_write("managed_fields")?;
        limited(
            what,
            PATIENCE_OF_WRITES,
            self.daemonsets_in(namespace).patch(name, &params(), &Patch::Merge(patch)),
        )
        .await
    }

    pub(crate) async fn patch_object(
        &self,
        family: &Family,
        name: &str,
        patch: &Value,
    ) -> Result<DynamicObject, AskError> {
        let what = || format!("patch {} {name}", family.kind());
        self.may_write("images")?;
        limited(what, PATIENCE_OF_WRITES, self.objects(family).patch(name, &params(), &Patch::Merge(patch)))
            .await
    }

    pub(crate) async fn patch_status(
        &self,
        family: &Family,
        name: &str,
        patch: &Value,
    ) -> Result<DynamicObject, AskError> {
        let what = || format!("patch the status of {} {name}", family.kind());
        self.may_write("status")?;
        limited(
            what,
            PATIENCE_OF_WRITES,
            self.objects(family).patch_status(name, &params(), &Patch::Merge(patch)),
        )
        .await
    }

    /// Tells whoever asks `kubectl describe`. That it cannot be told is no failure of a round.
    pub(crate) async fn tell(&self, regarding: &ObjectReference, is_bad: bool, reason: &str, note: String) {
        if self.may_write("event").is_err() {
            return;
        }
        let event = Event {
            type_: if is_bad { EventType::Warning } else { EventType::Normal },
            reason: reason.to_owned(),
            note: Some(cut(note)),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if let Err(error) = limited(
            || format!("create the event {reason}"),
            PATIENCE_OF_WRITES,
            self.recorder.publish(&event, regarding),
        )
        .await
        {
            tracing::warn!("{error}");
        }
    }

    fn may_write(&self, what: &'static str) -> Result<(), Lost> {
        self.fence.may_write()?;
        self.metrics.write(what);
        Ok(())
    }

    fn daemonsets_in(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &daemonsets())
    }

    fn objects(&self, family: &Family) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &objects_of(family))
    }
}

fn params() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() }
}

/// The API takes notes of events of up to 1 kB: <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>.
fn cut(mut note: String) -> String {
    let end = (0..=1024).rev().find(|end| note.is_char_boundary(*end)).unwrap_or(0);
    note.truncate(end);
    note
}

async fn limited<T>(
    what: impl FnOnce() -> String,
    patience: Duration,
    answer: impl Future<Output = kube::Result<T>>,
) -> Result<T, AskError> {
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(match status.code {
            403 if status.reason == "Forbidden" && !status.message.contains("admission webhook") => {
                AskError::Forbidden(what(), status.message)
            }
            404 => AskError::Missing(what()),
            409 => AskError::Changed(what(), status.message),
            code => AskError::Failed(what(), format!("{} ({code})", status.message)),
        }),
        Ok(Err(error)) => Err(AskError::Failed(what(), causes(&error))),
        Err(_) => Err(AskError::Silent(what(), patience)),
    }
}
