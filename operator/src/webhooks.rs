//! The one list of webhooks.

use std::future::Future;
use std::pin::Pin;

use fpga_webhook::Mappings;
use kube::Client;
use webhook::Webhook;
use webhook::review::Kind;

/// A webhook that can run alone.
pub(crate) struct StandAlone {
    /// The command after `webhook`, and the webhook's name in metrics.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The program's name in the Go implementation's image.
    pub(crate) entry_point: &'static str,
    /// Whether it asks the API server for anything to decide.
    pub(crate) needs_client: bool,
    /// Makes it.
    pub(crate) start: fn(Option<&Client>) -> Started,
}

/// A webhook, and what comes with it.
pub(crate) struct Started {
    pub(crate) webhook: Webhook,
    /// What is still missing until it can decide, if anything.
    pub(crate) missing: Box<dyn Fn() -> Option<String> + Send + Sync>,
    /// What it has to do all the time; does not end.
    pub(crate) work: Pin<Box<dyn Future<Output = ()>>>,
}
