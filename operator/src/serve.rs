//! Serves webhooks, and the pages that show how the process is.

use std::net::SocketAddr;
use std::sync::Arc;

use pages::{Figures, Pages};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use webhook::{Metrics, Server, Webhook};

use crate::api::Api;
use crate::certificate;
use crate::options::Options;
use crate::readers::Readers;
use crate::webhooks::{Decides, Informed, Missing, PodWebhook, Work};

/// Runs all of the process on this thread.
pub(crate) fn block_on(work: impl Future<Output = Result<(), String>>) -> Result<(), Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| vec![format!("cannot start: {error}")])?;
    runtime.block_on(work).map_err(|error| vec![error])
}

/// Serves until `stop` is there, and what was asked by then.
pub(crate) async fn serve(
    webhooks: Vec<Webhook>,
    options: &Options,
    api: &Api,
    mut beside: Beside,
    stop: impl Future<Output = ()>,
) -> Result<(), String> {
    let listener = listen("requests", "https", options.webhook_address()?).await?;
    let health = options.health_address()?;
    let figures_address = options.metrics_address()?;
    let certificate = certificate::obtain(options, api, &mut beside).await?;
    let metrics = Arc::new(Metrics::default());
    let shown = Arc::clone(&metrics);
    let server = Server { webhooks, certificate, http2: options.http2, metrics };
    let Beside { missing, figures, readers, mut work } = beside;
    let health_pages = Pages::default()
        .verdict("/healthz", Vec::new)
        .verdict("/readyz", move || missing.iter().filter_map(|missing| missing()).collect());
    let figures_page = Pages::default().text("/metrics", move || {
        let mut page = Figures::default();
        shown.show(&mut page);
        let more: String = figures.iter().map(|show| show()).collect();
        page.finish() + &more
    });
    if let Some(address) = health {
        work.spawn(show(listen("probes", "http", address).await?, health_pages));
    }
    if let Some(address) = figures_address {
        let scheme = if readers.is_some() { "https" } else { "http" };
        let listener = listen("metrics", scheme, address).await?;
        match readers {
            None => work.spawn(show(listener, figures_page)),
            Some(readers) => work.spawn(show_guarded(listener, figures_page, readers)?),
        };
    }
    tokio::select! {
        ended = server.serve(listener, stop) => ended.map_err(|error| format!("cannot serve TLS: {error}")),
        Some(ended) = work.join_next() => Err(format!("what runs beside the server has ended: {ended:?}")),
    }
}

/// More figures for the page.
type Show = Box<dyn Fn() -> String + Send + Sync>;

/// What goes on beside the server.
#[derive(Default)]
pub(crate) struct Beside {
    missing: Vec<Missing>,
    figures: Vec<Show>,
    readers: Option<Readers>,
    /// None of it ends.
    work: JoinSet<()>,
}

impl Beside {
    pub(crate) fn add(&mut self, missing: Missing, work: Work) {
        self.missing.push(missing);
        self.work.spawn(work);
    }

    /// Has these figures on the page, too.
    pub(crate) fn show(&mut self, figures: impl Fn() -> String + Send + Sync + 'static) {
        self.figures.push(Box::new(figures));
    }

    /// Lets only these read the figures, and by HTTPS.
    pub(crate) fn guard(&mut self, readers: Readers) {
        self.readers = Some(readers);
    }

    /// Starts what a webhook for pods has to know.
    pub(crate) async fn start(
        &mut self,
        webhook: &PodWebhook,
        options: &Options,
        api: &Api,
    ) -> Result<Webhook, String> {
        let decide = match webhook.decides {
            Decides::Alone(make) => make(),
            Decides::WithApi(make) => {
                let Informed { decide, missing, work } = make(api.client(options).await?);
                self.add(missing, work);
                decide
            }
        };
        Ok(webhook.with(decide))
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

fn show_guarded(
    listener: TcpListener,
    pages: Pages,
    readers: Readers,
) -> Result<impl Future<Output = ()>, String> {
    let error = |error: &dyn std::fmt::Display| format!("cannot serve the metrics by HTTPS: {error}");
    let certificate = certificates::self_signed().map_err(|reason| error(&reason))?;
    let acceptor = webhook::server::acceptor(certificate, false).map_err(|reason| error(&reason))?;
    let readers = Arc::new(readers);
    let admit = move |authorization| {
        let readers = Arc::clone(&readers);
        async move { readers.admit(authorization).await }
    };
    Ok(async move {
        match pages::serve_guarded(listener, pages, move |stream| acceptor.accept(stream), admit).await {}
    })
}
