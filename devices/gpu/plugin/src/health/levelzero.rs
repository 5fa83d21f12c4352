//! The Level-Zero sidecar: health, temperatures, and which GPUs Windows lends.

use std::time::Duration;

use device_plugin::Rescan;
use host::{Host, HostError, PciAddress};
use tokio::time::{sleep, timeout};
use tonic::transport::{Channel, Endpoint};

use super::{Health, Publisher, Reachability, Snapshot, Verdict, Verdicts, reason};
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
    let (publisher, health) = Publisher::new(rescan);
    let host = host.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = publisher.unread() => {}
            () = ask_for_health(&host, limits, &publisher) => {}
        }
    });
    health
}

async fn ask_for_health(host: &Host, limits: Limits, publisher: &Publisher) {
    let mut reachability = Reachability::default();
    let client = client(host);
    loop {
        // What can't be read is discovery's to say.
        if let Ok(addresses) = addresses(host) {
            let former = publisher.current().verdicts;
            let (verdicts, outcome) = ask_all(client.clone(), &addresses, limits, &former).await;
            match outcome {
                Ok(()) => reachability.found(NAME),
                Err(error) => reachability.lost(NAME, error),
            }
            publisher.publish(Snapshot { verdicts, indices: None });
        }
        sleep(PERIOD).await;
    }
}

/// Asks which GPUs there are from now on.
pub(crate) fn follow_indices(host: &Host, rescan: &Rescan) -> Health {
    let (publisher, health) = Publisher::new(rescan);
    let client = client(host);
    tokio::spawn(async move {
        tokio::select! {
            () = publisher.unread() => {}
            () = ask_for_indices(client, &publisher) => {}
        }
    });
    health
}

async fn ask_for_indices(client: LevelzeroClient<Channel>, publisher: &Publisher) {
    let mut reachability = Reachability::default();
    loop {
        match indices(client.clone()).await {
            Ok(indices) => {
                reachability.found(NAME);
                publisher.publish(Snapshot { indices: Some(indices), ..Snapshot::default() });
            }
            Err(error) => reachability.lost(NAME, error),
        }
        let pause = if publisher.current().indices.is_some() { PERIOD } else { PERIOD / 10 };
        sleep(pause).await;
    }
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

/// Where Intel's cards are.
fn addresses(host: &Host) -> Result<Vec<PciAddress>, HostError> {
    let names = card::names(host)?;
    Ok(names.iter().filter_map(|name| card::intel_address(host, name)).collect())
}

/// The verdicts on all GPUs: the `former` one on those that can't be asked about, of which the error names the last.
async fn ask_all(
    mut client: LevelzeroClient<Channel>,
    addresses: &[PciAddress],
    limits: Limits,
    former: &Verdicts,
) -> (Verdicts, Result<(), String>) {
    let mut verdicts = Verdicts::new();
    let mut outcome = Ok(());
    for &address in addresses {
        let verdict = match ask(&mut client, address, limits).await {
            Ok(verdict) => Some(verdict),
            Err(error) => {
                outcome = Err(format!("{address}: {error}"));
                former.get(&address).cloned()
            }
        };
        verdicts.extend(verdict.map(|verdict| (address, verdict)));
    }
    (verdicts, outcome)
}

async fn ask(
    client: &mut LevelzeroClient<Channel>,
    address: PciAddress,
    limits: Limits,
) -> Result<Verdict, String> {
    let device = || api::DeviceId { bdf_address: address.to_string() };
    let health = within(client.get_device_health(device())).await?;
    let parts = [("memory", health.memory_ok), ("PCI bus", health.bus_ok), ("SoC", health.soc_ok)];
    let bad: Vec<&str> = parts.iter().filter(|(_, ok)| !ok).map(|(part, _)| *part).collect();
    if !bad.is_empty() {
        let why = problem(health.error.as_ref()).map(|text| format!(" ({text})")).unwrap_or_default();
        return Ok(Verdict::Unhealthy(format!("Level Zero reports bad {}{why}", bad.join(" and "))));
    }
    let found = within(client.get_device_temperature(device())).await?;
    let readings = [
        ("GPU", found.gpu, limits.gpu, "-gpu-temp-limit"),
        ("device", found.global, limits.global, "-temp-limit"),
        ("memory", found.memory, limits.memory, "-memory-temp-limit"),
    ];
    #[expect(
        clippy::cast_possible_truncation,
        reason = "in whole degrees, as the Go implementation compares"
    )]
    let mut readings =
        readings.into_iter().map(|(sensor, reading, limit, flag)| (sensor, reading as i64, limit, flag));
    Ok(match readings.find(|(_, reading, limit, _)| reading > limit) {
        None => Verdict::Healthy,
        Some((sensor, reading, limit, flag)) => Verdict::Unhealthy(format!(
            "{sensor} temperature {reading} °C is above the limit of {limit} °C ({flag})"
        )),
    })
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
    error.filter(|error| error.errorcode != 0).map(|error| error.description.clone())
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
