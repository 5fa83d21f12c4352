//! The one list of webhooks for pods.

use std::pin::Pin;

use fpga_webhook::Mappings;
use kube::Client;
use webhook::review::Kind;
use webhook::server::Decide;
use webhook::{Fields, Outcome, Webhook};

/// A webhook for pods, which can run alone. The operator has all of them.
pub(crate) struct PodWebhook {
    /// The family, the command after `webhook`, and the webhook's name in metrics.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The program's name in the Go implementation's image.
    pub(crate) entry_point: &'static str,
    /// Where the API server asks it.
    path: &'static str,
    /// What it looks at of a pod.
    fields: Fields<'static>,
    pub(crate) decides: Decides,
}

/// What a webhook knows when it decides.
pub(crate) enum Decides {
    /// The object alone.
    Alone(fn() -> Decide),
    /// Also what the API server has told.
    WithApi(fn(Client) -> Informed),
}

/// What decides and asks the API server.
pub(crate) struct Informed {
    pub(crate) decide: Decide,
    /// What it has not been told yet, if anything.
    pub(crate) missing: Missing,
    /// Asks all the time.
    pub(crate) work: Work,
}

/// Says what is still missing until requests can be answered, if anything.
pub(crate) type Missing = Box<dyn Fn() -> Option<String> + Send + Sync>;
/// What goes on all the time beside the server; it does not end.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// In the order of the usage text.
pub(crate) const POD_WEBHOOKS: &[PodWebhook] = &[
    PodWebhook {
        name: "fpga",
        about: "turn readable names of FPGA functions in pods into those of the plugin's resources",
        entry_point: "intel_fpga_admissionwebhook",
        path: "/pods",
        fields: fpga_webhook::FIELDS,
        decides: Decides::WithApi(fpga),
    },
    PodWebhook {
        name: "sgx",
        about: "give pods that ask for enclave memory the devices of SGX and a way to a quoting daemon",
        entry_point: "intel_sgx_admissionwebhook",
        path: "/mutate--v1-pod",
        fields: sgx_webhook::FIELDS,
        decides: Decides::Alone(|| Box::new(sgx_webhook::review)),
    },
];

impl PodWebhook {
    /// The webhook at its path.
    pub(crate) fn with(&self, decide: Decide) -> Webhook {
        let (name, path) = (self.name.to_owned(), self.path.to_owned());
        Webhook { name, path, kind: Kind::pod(), fields: self.fields, decide }
    }

    /// One at its path that leaves pods as they are.
    pub(crate) fn without_effect(&self) -> Webhook {
        Webhook { fields: Fields::Only(&[]), ..self.with(Box::new(|_| Outcome::unchanged())) }
    }
}

fn fpga(client: Client) -> Informed {
    let mappings = Mappings::default();
    let known = mappings.clone();
    let decide = mappings.clone();
    Informed {
        decide: Box::new(move |request| fpga_webhook::review(&decide, request)),
        missing: Box::new(move || known.ready().err()),
        work: Box::pin(fpga_webhook::watch(client, mappings)),
    }
}
