//! What is offered: by a flag, unless an annotation of the node says otherwise.

use std::str::FromStr;
use std::sync::Arc;

use device_plugin::Rescan;
use tokio::sync::{Notify, watch};

/// What is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Functions that are programmed: `af`.
    Functions,
    /// Regions, programmed by a hook before the container starts: `region`.
    Regions,
    /// Regions that the container programs: `regiondevel`.
    RegionsForDevelopment,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "af" => Ok(Self::Functions),
            "region" => Ok(Self::Regions),
            "regiondevel" => Ok(Self::RegionsForDevelopment),
            other => Err(format!("Wrong mode: '{other}': it must be af, region or regiondevel")),
        }
    }
}

/// The mode in force; not known before the node was asked for, which is not before it matters.
#[derive(Debug, Clone)]
pub struct Chosen {
    mode: watch::Receiver<Option<Mode>>,
    matters: Arc<Notify>,
}

impl Chosen {
    /// This one, whatever the node says.
    pub fn fixed(mode: Mode) -> Self {
        Self { mode: watch::channel(Some(mode)).1, matters: Arc::default() }
    }

    /// What `ask` says once there is an FPGA, or `mode` where it says nothing or fails; then asks for a new look. Must be
    /// called in a tokio runtime.
    pub(crate) fn by_node(
        mode: Mode,
        rescan: &Rescan,
        ask: impl Future<Output = Result<Option<String>, String>> + Send + 'static,
    ) -> Self {
        let (sender, receiver) = watch::channel(None);
        let matters = Arc::new(Notify::new());
        let (asked, rescan) = (Arc::clone(&matters), rescan.clone());
        tokio::spawn(async move {
            asked.notified().await;
            let mode = match ask.await {
                Ok(annotation) => overridden(mode, annotation),
                Err(error) => {
                    tracing::warn!("could not get mode override from cluster: {error}");
                    mode
                }
            };
            sender.send_replace(Some(mode));
            rescan.request();
        });
        Self { mode: receiver, matters }
    }

    /// `None` as long as it is not known.
    pub(crate) fn get(&self) -> Option<Mode> {
        let mode = *self.mode.borrow();
        if mode.is_none() {
            self.matters.notify_one();
        }
        mode
    }
}

/// A value that is no mode is no reason to end: the annotation may be meant for another version.
fn overridden(mode: Mode, annotation: Option<String>) -> Mode {
    let Some(annotation) = annotation else { return mode };
    match annotation.parse() {
        Ok(other) => {
            if other != mode {
                tracing::info!("mode {annotation} (override from the node's annotation)");
            }
            other
        }
        Err(error) => {
            tracing::warn!("the node's annotation is not followed: {error}");
            mode
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn chosen(answer: Result<Option<&str>, &str>) -> Option<Mode> {
        let answer = answer.map(|annotation| annotation.map(str::to_owned)).map_err(str::to_owned);
        let chosen = Chosen::by_node(Mode::Functions, &Rescan::default(), async { answer });
        assert_eq!(chosen.get(), None, "nobody was asked before it mattered");
        let mut mode = chosen.mode.clone();
        mode.changed().await.unwrap();
        chosen.get()
    }

    #[tokio::test]
    async fn the_nodes_annotation_wins_if_it_is_a_mode() {
        assert_eq!(chosen(Ok(Some("region"))).await, Some(Mode::Regions));
        assert_eq!(chosen(Ok(Some("regiondevel"))).await, Some(Mode::RegionsForDevelopment));
        assert_eq!(chosen(Ok(Some("af"))).await, Some(Mode::Functions));
        for none in [Ok(None), Ok(Some("")), Ok(Some(" region")), Ok(Some("AF")), Err("403 Forbidden")] {
            assert_eq!(chosen(none).await, Some(Mode::Functions), "{none:?}");
        }
        assert_eq!(Chosen::fixed(Mode::Regions).get(), Some(Mode::Regions));
    }

    #[test]
    fn a_wrong_mode_is_named() {
        let error = "unparsable".parse::<Mode>().unwrap_err();
        assert!(error.starts_with("Wrong mode: 'unparsable'"), "{error}");
    }
}
