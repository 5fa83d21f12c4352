//! From metrics to labels, again and again.

use std::path::PathBuf;
use std::time::Duration;

use device_plugin::error_chain;
use labels::Labels;
use pages::exposition;
use tokio::time::sleep;

use crate::exporter::Exporter;
use crate::links::{self, FAMILY, Links, Rules};

/// After so many failures in a row the node is labelled as one without links. Until then the labels stay as they are: links
/// are wires, and XPU Manager may just be starting anew.
pub const MAX_FAILURES: u32 = 6;

/// Keeps a file of labels as XPU Manager's metrics say.
#[derive(Debug)]
pub struct Sidecar {
    /// Who is asked.
    pub exporter: Exporter,
    /// Which links count.
    pub rules: Rules,
    /// The label's key; further chunks have numbers at its end.
    pub key: String,
    /// The folder of node-feature-discovery.
    pub folder: PathBuf,
    /// The file in it.
    pub name: String,
    /// In a row.
    failures: u32,
    /// What was last found wrong, so that it is said once.
    said: Vec<String>,
}

impl Sidecar {
    /// Touches nothing yet.
    pub fn new(exporter: Exporter, rules: Rules, key: String, folder: PathBuf, name: String) -> Self {
        Self { exporter, rules, key, folder, name, failures: 0, said: Vec::new() }
    }

    /// Works until `stop` completes, then removes the file at once. Between the end of a look and the next one is
    /// `interval`.
    pub async fn run(mut self, delay: Duration, interval: Duration, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = self.follow(delay, interval) => {}
            () = stop => {}
        }
        if let Err(error) = labels::remove(&self.folder, &self.name) {
            tracing::error!("{}", error_chain(&error));
        }
    }

    async fn follow(&mut self, delay: Duration, interval: Duration) {
        sleep(delay).await;
        loop {
            self.look().await;
            sleep(interval).await;
        }
    }

    /// Asks once, and makes the file say what was answered.
    pub async fn look(&mut self) {
        let mut trouble = Vec::new();
        let text = match self.links().await {
            Ok(links) => {
                self.failures = 0;
                trouble = links.oddities;
                Some(links.text)
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                let given_up = self.failures >= MAX_FAILURES;
                let result = if given_up { "taken for no links" } else { "the labels stay for now" };
                trouble.push(format!("{error}: {result}"));
                given_up.then(String::new)
            }
        };
        if let Some(Err(error)) = text.map(|text| self.label(&text)) {
            trouble.push(error);
        }
        if self.said != trouble {
            for line in &trouble {
                tracing::warn!("{line}");
            }
            if trouble.is_empty() {
                tracing::info!("{} is as it should be again", self.exporter.address());
            }
            self.said = trouble;
        }
    }

    async fn links(&self) -> Result<Links, String> {
        let metrics = self.exporter.metrics().await.map_err(|error| error_chain(&error))?;
        let metrics = exposition::parse(&metrics);
        if metrics.families.is_empty() {
            return Err(format!("{} answers without any metric", self.exporter.address()));
        }
        let mut links = links::links(metrics.families.get(FAMILY), self.rules);
        if metrics.skipped > 0 {
            let (skipped, address) = (metrics.skipped, self.exporter.address());
            links.oddities.push(format!("{skipped} lines of {address} are no metrics: they are left out"));
        }
        Ok(links)
    }

    fn label(&self, text: &str) -> Result<(), String> {
        let mut labels = Labels::default();
        labels.insert_chunks(&self.key, text).map_err(|error| error.to_string())?;
        let is_new = labels::write(&labels, &self.folder, &self.name);
        if is_new.map_err(|error| error_chain(&error))? {
            for (key, value) in labels.iter() {
                tracing::info!("{key}={value}");
            }
        }
        Ok(())
    }
}
