//! A replica under test, and what is asked of it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use certificates::{Certificate, Clock, Configuration, Lifetimes, Missing, Options, manage};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::fake::{Api, MUTATING, VALIDATING};

/// The API server, with the configurations of a server, and the time of day.
pub(crate) struct World {
    pub(crate) api: Api,
    began: Instant,
}

pub(crate) type Shown = Arc<Mutex<Vec<(Instant, CertificateDer<'static>)>>>;

/// One replica. It dies when dropped.
pub(crate) struct Replica {
    pub(crate) certificate: Certificate,
    pub(crate) missing: Missing,
    /// The certificates that it showed, with from when on.
    pub(crate) shown: Shown,
    tasks: [JoinHandle<()>; 2],
}

pub(crate) const SECRET: &str = "webhook-authority";
pub(crate) const WEBHOOKS: &str = "webhooks";

/// A server with the default lifetimes, and both configurations.
pub(crate) fn world() -> World {
    let world = World { api: Api::default(), began: Instant::now() };
    world.apply();
    world
}

impl World {
    /// What `kubectl apply` of the manifests does.
    pub(crate) fn apply(&self) {
        self.api.put(MUTATING, WEBHOOKS, configuration());
        self.api.put(VALIDATING, WEBHOOKS, configuration());
    }

    pub(crate) fn replica(&self, name: &'static str) -> Replica {
        self.replica_with(name, Lifetimes::default(), 0)
    }

    /// A replica whose clock is ahead by so many seconds.
    pub(crate) fn replica_with(&self, name: &'static str, lifetimes: Lifetimes, ahead: i64) -> Replica {
        let options = Options {
            client: self.api.client(name),
            namespace: "system".to_owned(),
            service: "webhook".to_owned(),
            secret: SECRET.to_owned(),
            configurations: vec![
                Configuration::Mutating(WEBHOOKS.to_owned()),
                Configuration::Validating(WEBHOOKS.to_owned()),
            ],
            lifetimes,
            clock: self.clock(ahead),
        };
        let (certificate, missing, run) = manage(options).unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut changes, record) = (certificate.clone(), shown.clone());
        let recorder = async move {
            while changes.changed().await.is_ok() {
                let now = changes.borrow_and_update().as_ref().unwrap().cert[0].clone();
                record.lock().unwrap().push((Instant::now(), now));
            }
        };
        Replica { certificate, missing, shown, tasks: [tokio::spawn(recorder), tokio::spawn(run)] }
    }

    fn clock(&self, ahead: i64) -> Clock {
        let began = self.began;
        Arc::new(move || time_of_day(began, Instant::now(), ahead))
    }

    /// The time of day at a moment.
    pub(crate) fn time(&self, at: Instant) -> SystemTime {
        time_of_day(self.began, at, 0)
    }

    pub(crate) fn bundle(&self) -> String {
        crate::fake::bundle(&self.api.get(MUTATING, WEBHOOKS).unwrap())
    }

    /// Whether an API server that has `bundle` trusts what `replica` shows now.
    pub(crate) fn trusts(&self, bundle: &str, replica: &Replica) -> Result<(), String> {
        trusts(bundle, &replica.leaf(), self.time(Instant::now()), "webhook.system.svc")
    }

    /// Fails unless at each moment of this replica's life an API server that has the bundle of `lag` ago trusts what
    /// it shows. Moments without a bundle do not count: before the first, and when others have just taken it out.
    pub(crate) fn check(&self, replica: &Replica, lag: Duration) {
        let bundles = self.api.bundles();
        let shown = replica.shown.lock().unwrap().clone();
        let until = Instant::now();
        let instant = Duration::from_nanos(1);
        for (place, (from, leaf)) in shown.iter().enumerate() {
            let to = shown.get(place + 1).map_or(until, |(next, _)| *next - instant);
            let changes = bundles.iter().flat_map(|(at, _)| [*at + lag, *at + lag - instant]);
            for at in changes.filter(|at| (*from..=to).contains(at)).chain([*from, to]) {
                let seen = bundles.iter().rfind(|(since, bundle)| *since + lag <= at && !bundle.is_empty());
                if let Some((_, bundle)) = seen {
                    let trusted = trusts(bundle, leaf, self.time(at), "webhook.system.svc");
                    trusted.unwrap_or_else(|error| panic!("{:?} after the start: {error}", at - self.began));
                }
            }
        }
    }

    /// Until nothing is left to do and nothing is about to be: well below every lifetime.
    pub(crate) async fn settle(&self) {
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
}

fn time_of_day(began: Instant, at: Instant, ahead: i64) -> SystemTime {
    let start = 1_800_000_000_u64.saturating_add_signed(ahead);
    UNIX_EPOCH + Duration::from_secs(start) + at.duration_since(began)
}

impl Replica {
    /// Waits until it is ready, or fails after a day.
    pub(crate) async fn ready(&mut self) {
        self.wait(Option::is_none).await;
    }

    /// Waits until it says that something is missing, and gives what.
    pub(crate) async fn misses(&mut self, what: &str) -> String {
        self.wait(|missing| missing.as_ref().is_some_and(|missing| missing.contains(what))).await.unwrap()
    }

    async fn wait(&mut self, fits: impl Fn(&Option<String>) -> bool) -> Option<String> {
        let day = Duration::from_hours(24);
        let missing =
            tokio::time::timeout(day, self.missing.wait_for(fits)).await.map(|found| found.unwrap().clone());
        missing.unwrap_or_else(|_| panic!("it says {:?}", *self.missing.borrow()))
    }

    /// What it shows.
    pub(crate) fn leaf(&self) -> CertificateDer<'static> {
        self.certificate.borrow().as_ref().expect("a certificate").cert[0].clone()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Whether who trusts `bundle` trusts `leaf` for `name` at this time.
pub(crate) fn trusts(
    bundle: &str,
    leaf: &CertificateDer<'_>,
    at: SystemTime,
    name: &str,
) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(authority.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.map_err(|error| error.to_string())?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let at = UnixTime::since_unix_epoch(at.duration_since(UNIX_EPOCH).unwrap());
    verifier.verify_server_cert(leaf, &[], &name, &[], at).map(|_| ()).map_err(|error| error.to_string())
}

/// The certificates of a bundle.
pub(crate) fn authorities(bundle: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(bundle.as_bytes()).map(Result::unwrap).collect()
}

/// Two webhooks of ours, with one of another server between.
pub(crate) fn configuration() -> Value {
    let webhook = |name: &str, service: &str, namespace: &str| {
        json!({"name": name, "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {"service": {"name": service, "namespace": namespace, "path": "/pods", "port": 443}}})
    };
    json!({"metadata": {"labels": {"app": "webhook"}}, "webhooks": [
        webhook("one.example.com", "webhook", "system"),
        webhook("other.example.com", "webhook", "elsewhere"),
        webhook("two.example.com", "webhook", "system"),
    ]})
}
