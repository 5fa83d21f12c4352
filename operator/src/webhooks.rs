//! The one list of webhooks.

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
    pub(crate) decides: Decides,
}

/// What a webhook knows when it decides.
pub(crate) enum Decides {
    /// The object alone.
    Alone(fn() -> Webhook),
    /// Also what the API server has told.
    WithApi(fn(Client) -> Informed),
}

/// A webhook that asks the API server.
pub(crate) struct Informed {
    pub(crate) webhook: Webhook,
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
pub(crate) const WEBHOOKS: &[StandAlone] = &[
    StandAlone {
        name: "fpga",
        about: "turn readable names of FPGA functions in pods into those of the plugin's resources",
        entry_point: "intel_fpga_admissionwebhook",
        decides: Decides::WithApi(fpga),
    },
    StandAlone {
        name: "sgx",
        about: "give pods that ask for enclave memory the devices of SGX and a way to a quoting daemon",
        entry_point: "intel_sgx_admissionwebhook",
        decides: Decides::Alone(sgx),
    },
];

fn sgx() -> Webhook {
    Webhook {
        name: "sgx",
        path: "/mutate--v1-pod",
        kind: Kind::pod(),
        fields: sgx_webhook::FIELDS,
        decide: Box::new(sgx_webhook::review),
    }
}

fn fpga(client: Client) -> Informed {
    let mappings = Mappings::default();
    let known = mappings.clone();
    let decide = mappings.clone();
    Informed {
        webhook: Webhook {
            name: "fpga",
            path: "/pods",
            kind: Kind::pod(),
            fields: fpga_webhook::FIELDS,
            decide: Box::new(move |request| fpga_webhook::review(&decide, request)),
        },
        missing: Box::new(move || known.ready().err()),
        work: Box::pin(fpga_webhook::watch(client, mappings)),
    }
}
