//! The flags of all that serve webhooks.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cli::{FlagSet, LogOptions};

const DAY: Duration = Duration::from_hours(24);

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) logs: LogOptions,
    pub(crate) kubeconfig: String,
    webhook_address: String,
    health_address: String,
    metrics_address: String,
    pub(crate) http2: bool,
    pub(crate) certificate_folder: String,
    pub(crate) service: String,
    pub(crate) namespace: String,
    pub(crate) secret: String,
    pub(crate) mutating_configuration: String,
    pub(crate) validating_configuration: String,
    pub(crate) authority_lifetime: Duration,
    pub(crate) certificate_lifetime: Duration,
}

impl Options {
    /// The defaults, with that of the address of `/metrics`.
    pub(crate) fn with_metrics_at(address: &str) -> Self {
        let folder = std::env::temp_dir().join("k8s-webhook-server/serving-certs");
        Self {
            logs: LogOptions::default(),
            kubeconfig: String::new(),
            webhook_address: ":9443".to_owned(),
            health_address: ":8081".to_owned(),
            metrics_address: address.to_owned(),
            http2: false,
            certificate_folder: folder.to_string_lossy().into_owned(),
            service: String::new(),
            namespace: std::env::var("POD_NAMESPACE").unwrap_or_default(),
            secret: "webhook-certificates".to_owned(),
            mutating_configuration: String::new(),
            validating_configuration: String::new(),
            authority_lifetime: 365 * DAY,
            certificate_lifetime: 90 * DAY,
        }
    }

    /// Adds those of its webhooks, its pages, its certificate and its logs.
    pub(crate) fn add_flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.string(
            "kubeconfig",
            &mut self.kubeconfig,
            "file that says where the API server is; when empty $KUBECONFIG, or what a pod knows",
        );
        flags.string(
            "webhook-bind-address",
            &mut self.webhook_address,
            "where the API server asks, by HTTPS",
        );
        flags.string(
            "health-probe-bind-address",
            &mut self.health_address,
            "serve /healthz and /readyz on this address; off when 0",
        );
        flags.string(
            "metrics-bind-address",
            &mut self.metrics_address,
            "serve /metrics on this address, such as :8080; off when 0",
        );
        flags.bool("enable-http2", &mut self.http2, "let the API server use HTTP/2, too");
        flags.section("Certificates");
        flags.string(
            "cert-dir",
            &mut self.certificate_folder,
            "folder with tls.crt and tls.key, followed when they change; without them there, the program makes its own",
        );
        flags.string(
            "webhook-service",
            &mut self.service,
            "Service by which the API server comes here; needed for own certificates",
        );
        flags.string(
            "webhook-namespace",
            &mut self.namespace,
            "namespace of that Service and of the Secret; when empty $POD_NAMESPACE, or the pod's",
        );
        flags.string(
            "certificate-secret",
            &mut self.secret,
            "Secret that keeps the authority of own certificates, for all replicas",
        );
        flags.string(
            "mutating-webhook-configuration",
            &mut self.mutating_configuration,
            "MutatingWebhookConfiguration whose caBundle is to have that authority",
        );
        flags.string(
            "validating-webhook-configuration",
            &mut self.validating_configuration,
            "the same, a ValidatingWebhookConfiguration",
        );
        flags.duration("ca-lifetime", &mut self.authority_lifetime, "how long an authority is good for");
        flags.duration(
            "certificate-lifetime",
            &mut self.certificate_lifetime,
            "how long a certificate is; it is made anew after two thirds",
        );
        flags.section("Common flags");
        self.logs.add_flags(flags);
    }

    /// The folder of mounted certificates, if there is one in it.
    pub(crate) fn mounted(&self) -> Option<PathBuf> {
        let folder = PathBuf::from(&self.certificate_folder);
        let any = ["tls.crt", "tls.key"].iter().any(|name| folder.join(name).exists());
        any.then_some(folder)
    }

    pub(crate) fn webhook_address(&self) -> Result<SocketAddr, String> {
        let address = cli::address("webhook-bind-address", &self.webhook_address)?;
        address.ok_or_else(|| "-webhook-bind-address is 0: then nobody could ask".to_owned())
    }

    pub(crate) fn health_address(&self) -> Result<Option<SocketAddr>, String> {
        cli::address("health-probe-bind-address", &self.health_address)
    }

    pub(crate) fn metrics_address(&self) -> Result<Option<SocketAddr>, String> {
        cli::address("metrics-bind-address", &self.metrics_address)
    }
}
