//! The part of the operator that only one replica does.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use controller::lease::{self, Election};
use controller::{Family, Fence, ReconcileMetrics, Settings};
use kube::Client;
use pages::Figures;
use tokio::sync::watch;
use tokio::time::Instant;

use super::options::{Devices, Options};
use super::stopped;
use crate::api::Api;
use crate::families::FAMILIES;
use crate::serve::Beside;

/// As in the Go implementation, so that its replicas and these take turns.
const LEASE: &str = "d1c7b6d5.intel.com";

/// Until when this replica may write, if it leads.
type Until = watch::Receiver<Option<Instant>>;

/// Makes the DaemonSets while this replica leads, until it is to stop; then the Lease is given up.
pub(super) async fn lead(
    options: &Options,
    devices: &Devices,
    api: &Api,
    beside: &mut Beside,
    stopping: watch::Receiver<bool>,
) -> Result<impl Future<Output = ()> + use<>, String> {
    let families: Vec<Family> = FAMILIES.iter().filter(|family| devices.has(family.name)).copied().collect();
    let client = api.client(&options.serving).await?;
    let metrics = Arc::new(ReconcileMetrics::default());
    let reconciler = Reconciler {
        client: client.clone(),
        families,
        settings: options.settings(),
        overrides: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        metrics: Arc::clone(&metrics),
    };
    beside.show(move || metrics.render());
    let mut election = None;
    if options.leader_elect {
        let namespace = api.namespace(&options.serving).await?;
        let part = Election::new(client, &namespace, LEASE, lease::identity());
        let shown = part.until();
        beside.show(move || {
            let leads = shown.borrow().is_some_and(|until| Instant::now() < until);
            let help = "Whether this replica leads.";
            let mut page = Figures::default();
            page.gauge("leader_election_master_status", help, &[("name", LEASE)], u8::from(leads));
            page.finish()
        });
        election = Some(part);
    }
    Ok(async move {
        let until = election.as_ref().map(Election::until);
        tokio::select! {
            never = reconciler.run(until) => match never {},
            () = take_part(election.as_mut()) => {}
            () = stopped(stopping) => {}
        }
        // Nothing is written any more.
        if let Some(election) = election {
            election.release().await;
        }
    })
}

/// For ever.
async fn take_part(election: Option<&mut Election>) {
    match election {
        Some(election) => match election.run().await {},
        None => std::future::pending().await,
    }
}

struct Reconciler {
    client: Client,
    families: Vec<Family>,
    settings: Settings,
    /// The environment, of which some variables name images.
    overrides: BTreeMap<String, String>,
    metrics: Arc<ReconcileMetrics>,
}

impl Reconciler {
    /// Reconciles while this replica leads, each time from the start; without an election all the time.
    async fn run(&self, until: Option<Until>) -> Infallible {
        let Some(mut until) = until else { return self.reconcile(Fence::open()).await };
        loop {
            change(&mut until, true).await;
            let fence = Fence::until(until.clone());
            tokio::select! {
                never = self.reconcile(fence) => match never {},
                () = change(&mut until, false) => {}
            }
        }
    }

    async fn reconcile(&self, fence: Fence) -> Infallible {
        let (settings, overrides) = (self.settings.clone(), self.overrides.clone());
        let (client, metrics) = (self.client.clone(), Arc::clone(&self.metrics));
        controller::run(client, &self.families, settings, overrides, fence, metrics).await
    }
}

/// Waits until this replica leads, or until it leads no more.
async fn change(until: &mut Until, leads: bool) {
    if until.wait_for(|until| until.is_some() == leads).await.is_err() {
        // Nobody takes part any more: the process ends.
        std::future::pending::<()>().await;
    }
}
