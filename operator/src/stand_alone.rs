//! Runs one webhook for pods, and nothing else.

use std::ffi::OsString;
use std::process::ExitCode;

use cli::{FlagSet, Stop, signals};

use crate::api::Api;
use crate::options::Options;
use crate::serve::{self, Beside};
use crate::webhooks::PodWebhook;

/// Runs it until SIGTERM, with the words after the program's name.
pub(crate) fn main(webhook: &PodWebhook, program: &str, args: Vec<OsString>) -> ExitCode {
    let about = format!("An admission webhook to {}.", webhook.about);
    let options = match parse(program, &about, args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    cli::run(&options.logs, || serve::block_on(async { run(webhook, &options, signals::terminated()).await }))
}

fn parse(program: &str, about: &str, args: Vec<OsString>) -> Result<Options, Stop> {
    let mut options = Options::with_metrics_at("0");
    let mut leader_elect = false;
    let mut flags = FlagSet::new(program, about);
    flags.bool(
        "leader-elect",
        &mut leader_elect,
        "accepted and without effect: every replica answers, none has to lead",
    );
    options.add_flags(&mut flags);
    flags.parse(args)?;
    Ok(options)
}

async fn run(
    webhook: &PodWebhook,
    options: &Options,
    terminated: impl Future<Output = ()>,
) -> Result<(), String> {
    let api = Api::default();
    let mut beside = Beside::default();
    let webhook = beside.start(webhook, options, &api).await?;
    serve::serve(vec![webhook], options, &api, beside, terminated).await
}
