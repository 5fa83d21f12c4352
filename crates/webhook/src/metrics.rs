//! Figures about a server of webhooks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pages::Histogram;
use rustls::sign::CertifiedKey;

use crate::expiry::expiry;
use crate::review::Outcome;

/// What a server did and how it is. Shared by the server, which writes it, and the page that shows it.
#[derive(Debug, Default)]
pub struct Metrics {
    webhooks: Mutex<BTreeMap<String, Arc<Figures>>>,
    connections: AtomicUsize,
    handshake_failures: AtomicU64,
    certificate_changes: AtomicU64,
    /// In seconds since 1970; 0 is unknown.
    certificate_expiry: AtomicI64,
}

/// What became of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    Unchanged,
    Patched,
    Refused,
    BadRequest,
    Error,
}

impl Verdict {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Allowed { patch, .. } if patch.is_empty() => Self::Unchanged,
            Outcome::Allowed { .. } => Self::Patched,
            Outcome::Refused { .. } => Self::Refused,
        }
    }
}

/// How the verdicts are called, in their order.
const VERDICTS: [&str; 5] = ["unchanged", "patched", "refused", "bad_request", "error"];

/// Figures about one webhook.
#[derive(Debug, Default)]
pub(crate) struct Figures(Mutex<Requests>);

#[derive(Debug, Default)]
struct Requests {
    verdicts: [u64; VERDICTS.len()],
    durations: Histogram,
}

impl Figures {
    pub(crate) fn answered(&self, verdict: Verdict, took: Duration) {
        // Counters are whole after any panic.
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        requests.durations.observe(took);
        if let Some(count) = requests.verdicts.get_mut(verdict as usize) {
            *count += 1;
        }
    }
}

impl Metrics {
    pub(crate) fn webhook(&self, name: &str) -> Arc<Figures> {
        let mut webhooks = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(webhooks.entry(name.to_owned()).or_default())
    }

    pub(crate) fn connections(&self, open: usize) {
        self.connections.store(open, Ordering::Relaxed);
    }

    pub(crate) fn handshake_failed(&self) {
        self.handshake_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn certificate_changed(&self) {
        self.certificate_changes.fetch_add(1, Ordering::Relaxed);
    }

    /// The certificate that is shown now.
    pub(crate) fn certificate(&self, certificate: Option<&CertifiedKey>) {
        let expiry = certificate.and_then(expiry);
        self.certificate_expiry.store(expiry.unwrap_or_default(), Ordering::Relaxed);
    }

    /// Adds them to a page.
    pub fn show(&self, page: &mut pages::Figures) {
        for (name, figures) in self.webhooks.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let requests = figures.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (outcome, count) in VERDICTS.iter().zip(requests.verdicts) {
                let labels = [("webhook", name.as_str()), ("outcome", outcome)];
                page.counter("webhook_requests_total", "Requests by what became of them.", &labels, count);
            }
            let help = "How long it took to read a request and to decide about it.";
            page.histogram("webhook_request_seconds", help, &[("webhook", name)], &requests.durations);
        }
        let open = self.connections.load(Ordering::Relaxed);
        page.gauge("webhook_connections", "Connections that are open.", &[], open);
        page.counter(
            "webhook_tls_handshake_failures_total",
            "Connections that did not get through the handshake.",
            &[],
            self.handshake_failures.load(Ordering::Relaxed),
        );
        page.counter(
            "webhook_certificate_changes_total",
            "Times that a new certificate took the place of another, or of none.",
            &[],
            self.certificate_changes.load(Ordering::Relaxed),
        );
        let expiry = self.certificate_expiry.load(Ordering::Relaxed);
        if expiry != 0 {
            let help = "When the certificate that is shown expires.";
            page.gauge("webhook_certificate_expiry_timestamp_seconds", help, &[], expiry);
        }
    }
}
