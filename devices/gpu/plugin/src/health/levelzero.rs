//! The Level-Zero sidecar: health, temperatures, and which GPUs Windows lends.

use std::collections::BTreeMap;
use std::time::Duration;

use device_plugin::Rescan;
use host::{Host, PciAddress};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tonic::transport::{Channel, Endpoint};

use super::temperature::{Heat, Readings, degrees};
use super::{Health, Reachability, Snapshot, Trouble, Verdict, Verdicts, one_line, publish, reason};
use crate::{Limits, card};

mod api {
    #![expect(clippy::allow_attributes_without_reason, reason = "generated")]
    #![expect(unreachable_pub, unused_qualifications, reason = "generated")]
    #![cfg_attr(test, expect(clippy::pedantic, clippy::allow_attributes, reason = "generated"))]

    tonic::include_proto!("_");
}

use api::levelzero_client::LevelzeroClient;

/// The sidecar's socket, in a folder that the two containers share.
const SOCKET: &str = "/var/lib/levelzero/server.sock";
const NAME: &str = "the Level-Zero sidecar at /var/lib/levelzero/server.sock";
/// How often it is asked: nothing announces a change of temperature.
const PERIOD: Duration = Duration::from_secs(5);
/// A library call can hang with its driver.
const DEADLINE: Duration = Duration::from_secs(2);

/// Asks for the health of the node's GPUs from now on.
pub(crate) fn follow_health(host: &Host, limits: Limits, rescan: &Rescan) -> Health {
    let host = host.clone();
    publish(rescan, |said| async move {
        let mut gpus = Gpus::new(client(&host), limits);
        let mut reachability = Reachability::default();
        loop {
            if let Some(addresses) = addresses(&host).await {
                match gpus.ask_all(&addresses).await {
                    Ok(()) => reachability.found(NAME),
                    Err(error) => reachability.lost(NAME, error),
                }
                said.send_replace(Snapshot { verdicts: gpus.verdicts(), indices: None });
            }
            sleep(PERIOD).await;
        }
    })
}

/// Asks which GPUs there are from now on.
pub(crate) fn follow_indices(host: &Host, rescan: &Rescan) -> Health {
    let client = client(host);
    publish(rescan, |said| async move {
        let mut reachability = Reachability::default();
        let mut pause = PERIOD / 10;
        loop {
            match indices(client.clone()).await {
                Ok(indices) => {
                    reachability.found(NAME);
                    said.send_replace(Snapshot { indices: Some(indices), ..Snapshot::default() });
                    pause = PERIOD;
                }
                Err(error) => reachability.lost(NAME, error),
            }
            sleep(pause).await;
        }
    })
}

/// Connects when it is first used, and again when it has to.
fn client(host: &Host) -> LevelzeroClient<Channel> {
    let socket = host.outside(SOCKET);
    let uri = format!("unix://{}", socket.display());
    // Every text is good after this scheme; if ever one is not, the error that follows names what is missing.
    let endpoint = Endpoint::from_shared(uri)
        .unwrap_or_else(|_| Endpoint::from_static("unix:///var/lib/levelzero/server.sock"));
    LevelzeroClient::new(endpoint.connect_lazy())
}

/// Where Intel's cards are; `None` if that can't be read, which is discovery's to say. On a thread of its own, one at a time: a
/// driver can hang in a read.
async fn addresses(host: &Host) -> Option<Vec<PciAddress>> {
    let host = host.clone();
    let read = spawn_blocking(move || {
        let names = card::names(&host).ok()?;
        Some(names.iter().filter_map(|name| card::intel_address(&host, name)).collect())
    });
    read.await.ok()?
}

/// What the sidecar said of the node's GPUs.
struct Gpus {
    client: LevelzeroClient<Channel>,
    limits: Limits,
    known: BTreeMap<PciAddress, Gpu>,
}

/// What it said of one.
#[derive(Default)]
struct Gpu {
    heat: Heat,
    /// `None` until it says something.
    verdict: Option<Verdict>,
}

impl Gpus {
    fn new(client: LevelzeroClient<Channel>, limits: Limits) -> Self {
        Self { client, limits, known: BTreeMap::new() }
    }

    /// Asks about these, and forgets others. Those that can't be asked about keep their last verdict; the error names the
    /// last of them.
    async fn ask_all(&mut self, addresses: &[PciAddress]) -> Result<(), String> {
        self.known.retain(|address, _| addresses.contains(address));
        let mut outcome = Ok(());
        for &address in addresses {
            let gpu = self.known.entry(address).or_default();
            match gpu.ask(&mut self.client, address, self.limits).await {
                Ok(verdict) => gpu.verdict = Some(verdict),
                Err(error) => outcome = Err(format!("{address}: {error}")),
            }
        }
        outcome
    }

    fn verdicts(&self) -> Verdicts {
        self.known.iter().filter_map(|(&address, gpu)| Some((address, gpu.verdict.clone()?))).collect()
    }
}

impl Gpu {
    async fn ask(
        &mut self,
        client: &mut LevelzeroClient<Channel>,
        address: PciAddress,
        limits: Limits,
    ) -> Result<Verdict, String> {
        let device = || api::DeviceId { bdf_address: address.to_string() };
        let health = within(client.get_device_health(device())).await?;
        let parts = [("memory", health.memory_ok), ("PCI bus", health.bus_ok), ("SoC", health.soc_ok)];
        let bad: Vec<&str> = parts.iter().filter(|(_, ok)| !ok).map(|(part, _)| *part).collect();
        if !bad.is_empty() {
            let kind = format!("Level Zero reports bad {}", bad.join(" and "));
            let why = problem(health.error.as_ref()).map(|text| format!(" ({text})")).unwrap_or_default();
            return Ok(Verdict::Unhealthy(Trouble::new(kind.clone(), kind + &why)));
        }
        let found = within(client.get_device_temperature(device())).await?;
        let readings = Readings {
            gpu: degrees(found.gpu),
            global: degrees(found.global),
            memory: degrees(found.memory),
        };
        Ok(self.heat.judge(readings, limits).map_or(Verdict::Healthy, Verdict::Unhealthy))
    }
}

async fn indices(mut client: LevelzeroClient<Channel>) -> Result<Vec<u32>, String> {
    let answer = within(client.get_intel_indices(api::GetIntelIndicesMessage {})).await?;
    if let Some(problem) = problem(answer.error.as_ref()) {
        // Its list is empty then, which would withdraw all GPUs for a passing error.
        return Err(problem);
    }
    let mut indices = answer.indices;
    indices.sort_unstable();
    indices.dedup();
    Ok(indices)
}

fn problem(error: Option<&api::Error>) -> Option<String> {
    error.filter(|error| error.errorcode != 0).map(|error| one_line(&error.description))
}

async fn within<T>(call: impl Future<Output = tonic::Result<tonic::Response<T>>>) -> Result<T, String> {
    match timeout(DEADLINE, call).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(reason(&status)),
        Err(_) => Err(format!("no answer within {DEADLINE:?}")),
    }
}

#[cfg(test)]
mod tests;
