//! Runs one webhook: its server, its certificate, and the pages that show how it is.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use cli::signals;
use pages::{Figures, Pages};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use webhook::{Metrics, Server};

use crate::api::Api;
use crate::certificate;
use crate::options::Options;
use crate::webhooks::{Decides, Informed, Missing, StandAlone, Work};

/// Runs it until SIGTERM, with the words after the program's name.
pub(crate) fn main(webhook: &StandAlone, program: &str, args: Vec<OsString>) -> ExitCode {
    let about = format!("An admission webhook to {}.", webhook.about);
    let options = match Options::parse(program, &about, args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    cli::run(&options.logs, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| vec![format!("cannot start: {error}")])?;
        let ended = runtime.block_on(async { run(webhook, &options, signals::terminated()).await });
        ended.map_err(|error| vec![error])
    })
}

async fn run(
    webhook: &StandAlone,
    options: &Options,
    terminated: impl Future<Output = ()>,
) -> Result<(), String> {
    let listener = listen("requests", "https", options.webhook_address()?).await?;
    let health = options.health_address()?;
    let figures_address = options.metrics_address()?;
    let api = Api::default();
    let mut beside = Beside::default();
    let decider = match webhook.decides {
        Decides::Alone(make) => make(),
        Decides::WithApi(make) => {
            let Informed { webhook, missing, work } = make(api.client(options).await?);
            beside.add(missing, work);
            webhook
        }
    };
    let certificate = certificate::obtain(options, &api, &mut beside).await?;
    let metrics = Arc::new(Metrics::default());
    let shown = Arc::clone(&metrics);
    let server = Server { webhooks: vec![decider], certificate, http2: options.http2, metrics };
    let Beside { missing, mut work } = beside;
    let health_pages = Pages::default()
        .verdict("/healthz", Vec::new)
        .verdict("/readyz", move || missing.iter().filter_map(|missing| missing()).collect());
    let figures_page = Pages::default().text("/metrics", move || {
        let mut figures = Figures::default();
        shown.show(&mut figures);
        figures.finish()
    });
    if let Some(address) = health {
        work.spawn(show(listen("probes", "http", address).await?, health_pages));
    }
    if let Some(address) = figures_address {
        work.spawn(show(listen("metrics", "http", address).await?, figures_page));
    }
    tokio::select! {
        ended = server.serve(listener, terminated) => ended.map_err(|error| format!("cannot serve TLS: {error}")),
        Some(ended) = work.join_next() => Err(format!("what runs beside the server has ended: {ended:?}")),
    }
}

/// What goes on beside the server.
#[derive(Default)]
pub(crate) struct Beside {
    missing: Vec<Missing>,
    /// None of it ends.
    work: JoinSet<()>,
}

impl Beside {
    pub(crate) fn add(&mut self, missing: Missing, work: Work) {
        self.missing.push(missing);
        self.work.spawn(work);
    }
}

async fn listen(what: &str, scheme: &str, address: SocketAddr) -> Result<TcpListener, String> {
    let error = |error| format!("cannot listen on {address} for {what}: {error}");
    let listener = TcpListener::bind(address).await.map_err(error)?;
    tracing::info!("{what} are answered at {scheme}://{}", listener.local_addr().map_err(error)?);
    Ok(listener)
}

async fn show(listener: TcpListener, pages: Pages) {
    match pages::serve(listener, pages).await {}
}
