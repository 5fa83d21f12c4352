//! The part of the operator that only one replica does.

use controller::lease::{self, Election};
use controller::{Family, Settings};
use kube::Client;
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

/// Makes the DaemonSets while this replica leads, until it is to stop; then the Lease is given up. It fails only when what should go
/// on has ended.
pub(super) async fn lead(
    options: &Options,
    devices: &Devices,
    api: &Api,
    beside: &mut Beside,
    stopping: watch::Receiver<bool>,
) -> Result<impl Future<Output = Result<(), String>> + use<>, String> {
    let families: Vec<Family> = FAMILIES.iter().filter(|family| devices.has(family.name)).copied().collect();
    let client = api.client(&options.serving).await?;
    let reconciler = Reconciler { client: client.clone(), families, settings: options.settings() };
    let mut election = None;
    if options.leader_elect {
        let namespace = api.namespace(&options.serving).await?;
        let part = Election::new(client, &namespace, LEASE, lease::identity());
        let shown = part.until();
        beside.show(move |page| {
            let leads = shown.borrow().is_some_and(|until| Instant::now() < until);
            let help = "Whether this replica leads.";
            page.gauge("leader_election_master_status", help, &[("name", LEASE)], u8::from(leads));
        });
        election = Some(part);
    }
    Ok(async move {
        let until = election.as_ref().map(Election::until);
        tokio::select! {
            () = reconciler.run(until) => return Err("the reconciler has ended".to_owned()),
            () = take_part(election.as_mut()) => {}
            () = stopped(stopping) => {}
        }
        // Nothing is written any more.
        if let Some(election) = election {
            election.release().await;
        }
        Ok(())
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
}

impl Reconciler {
    /// Reconciles while this replica leads, each time from the start; without an election all the time. It ends only by a mistake.
    async fn run(&self, until: Option<Until>) {
        let Some(mut until) = until else { return self.reconcile(None).await };
        loop {
            change(&mut until, true).await;
            let writing = until.clone();
            tokio::select! {
                () = self.reconcile(Some(writing)) => return,
                () = change(&mut until, false) => {}
            }
        }
    }

    /// Keeps DaemonSets as the objects say.
    async fn reconcile(&self, _until: Option<Until>) {
        let names: Vec<&str> = self.families.iter().map(|family| family.name).collect();
        let (names, namespace) = (names.join(", "), &self.settings.namespace);
        let version = self.client.apiserver_version().await.map(|version| version.git_version);
        tracing::info!(?version, "objects of {names} stand for DaemonSets in {namespace}");
        std::future::pending::<()>().await;
    }
}

/// Waits until this replica leads, or until it leads no more.
async fn change(until: &mut Until, leads: bool) {
    if until.wait_for(|until| until.is_some() == leads).await.is_err() {
        // Nobody takes part any more: the process ends.
        std::future::pending::<()>().await;
    }
}
