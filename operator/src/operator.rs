//! The operator: the webhooks of its custom resources and of pods, and on the replica that leads, what makes DaemonSets of the
//! custom resources.

mod lead;
mod options;

use std::ffi::OsString;
use std::process::ExitCode;

use cli::signals;
use tokio::sync::watch;

use crate::api::Api;
use crate::families::FAMILIES;
use crate::readers::Readers;
use crate::serve::{self, Beside};
use crate::webhooks::POD_WEBHOOKS;
use options::Options;

/// The program's name in the Go implementation's image.
pub(crate) const ENTRY_POINT: &str = "intel_deviceplugin_operator";
pub(crate) const ABOUT: &str = "keep the device plugins as custom resources say, and answer webhooks";

/// Runs it until SIGTERM, with the words after the program's name.
pub(crate) fn main(program: &str, args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(program, args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    cli::run(&options.serving.logs, || {
        serve::block_on(async { Box::pin(run(&options, signals::terminated())).await })
    })
}

async fn run(options: &Options, terminated: impl Future<Output = ()>) -> Result<(), String> {
    let devices = options.devices()?;
    let api = Api::default();
    let mut beside = Beside::default();
    // Webhooks of all kinds, whatever the devices: the API server asks about all, and takes no object without an answer.
    let mut webhooks: Vec<_> = FAMILIES.iter().flat_map(|family| controller::webhooks(*family)).collect();
    for webhook in POD_WEBHOOKS {
        webhooks.push(if devices.has(webhook.name) {
            beside.start(webhook, &options.serving, &api).await?
        } else {
            webhook.without_effect()
        });
    }
    if options.metrics_secure {
        beside.guard(Readers::new(api.client(&options.serving).await?));
    }
    let (stop, stopping) = watch::channel(false);
    let lead = lead::lead(options, &devices, &api, &mut beside, stopping.clone()).await?;
    let serve = serve::serve(webhooks, &options.serving, &api, beside, stopped(stopping));
    let wait = async {
        terminated.await;
        stop.send_replace(true);
    };
    let rest = async { Ok(tokio::join!(lead, wait)) };
    tokio::try_join!(serve, rest).map(|_| ())
}

/// Completes when the process is to end.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    // Who would say it cannot be gone before it is said.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
