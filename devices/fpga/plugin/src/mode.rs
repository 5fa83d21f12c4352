//! What is offered: by a flag, unless an annotation of the node says otherwise.

use std::fmt;
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
            other => {
                Err(format!("Wrong mode: '{}': it must be af, region or regiondevel", other.escape_debug()))
            }
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Functions => "af",
            Self::Regions => "region",
            Self::RegionsForDevelopment => "regiondevel",
        })
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

    /// What `ask` says of the node `node` once there is an FPGA, or `flag` where it says nothing or fails; then asks for a
    /// new look. Must be called in a tokio runtime.
    pub(crate) fn by_node(
        flag: Mode,
        node: String,
        rescan: &Rescan,
        ask: impl Future<Output = Result<Option<String>, String>> + Send + 'static,
    ) -> Self {
        let (sender, receiver) = watch::channel(None);
        let matters = Arc::new(Notify::new());
        let (asked, rescan) = (Arc::clone(&matters), rescan.clone());
        tokio::spawn(async move {
            let answer = async {
                asked.notified().await;
                ask.await
            };
            let answer = tokio::select! {
                answer = answer => answer,
                // The plugin was dropped.
                () = sender.closed() => return,
            };
            let mode = overridden(flag, answer);
            let why =
                if mode == flag { String::new() } else { format!(" (override from {node} node annotation)") };
            tracing::info!("FPGA device plugin started in {mode} mode{why}");
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

/// No answer, or a value that is no mode, is no reason to end.
fn overridden(flag: Mode, answer: Result<Option<String>, String>) -> Mode {
    let error = match answer {
        Ok(None) => return flag,
        Ok(Some(annotation)) => match annotation.parse() {
            Ok(mode) => return mode,
            Err(error) => error,
        },
        Err(error) => error,
    };
    tracing::warn!("could not get mode override from cluster: {error}; the mode is {flag}");
    flag
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    fn by_node(
        flag: Mode,
        ask: impl Future<Output = Result<Option<String>, String>> + Send + 'static,
    ) -> Chosen {
        Chosen::by_node(flag, "node-1".to_owned(), &Rescan::default(), ask)
    }

    async fn chosen(flag: Mode, answer: Result<Option<&str>, &str>) -> Option<Mode> {
        let answer = answer.map(|annotation| annotation.map(str::to_owned)).map_err(str::to_owned);
        let chosen = by_node(flag, async { answer });
        assert_eq!(chosen.get(), None);
        let mut mode = chosen.mode.clone();
        mode.changed().await.unwrap();
        chosen.get()
    }

    #[tokio::test]
    async fn the_nodes_annotation_wins_if_it_is_a_mode() {
        for flag in [Mode::Functions, Mode::Regions, Mode::RegionsForDevelopment] {
            for mode in [Mode::Functions, Mode::Regions, Mode::RegionsForDevelopment] {
                assert_eq!(chosen(flag, Ok(Some(&mode.to_string()))).await, Some(mode));
            }
            for none in [Ok(None), Ok(Some("")), Ok(Some(" region")), Ok(Some("AF")), Err("403 Forbidden")] {
                assert_eq!(chosen(flag, none).await, Some(flag), "{none:?}");
            }
        }
        assert_eq!(Chosen::fixed(Mode::Regions).get(), Some(Mode::Regions));
    }

    #[tokio::test]
    async fn nobody_is_asked_before_it_matters() {
        let (asking, mut asked) = oneshot::channel();
        let chosen = by_node(Mode::Functions, async {
            let _ = asking.send(());
            Ok(Some("region".to_owned()))
        });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(asked.try_recv().is_err());
        assert_eq!(chosen.get(), None);
        assert_eq!(asked.await, Ok(()));
    }

    #[tokio::test]
    async fn a_question_ends_with_its_plugin() {
        for is_asked in [false, true] {
            let (kept, gone) = oneshot::channel::<()>();
            let chosen = by_node(Mode::Functions, async move {
                let _kept = kept;
                pending().await
            });
            if is_asked {
                assert_eq!(chosen.get(), None);
                tokio::task::yield_now().await;
            }
            drop(chosen);
            let gone = tokio::time::timeout(Duration::from_mins(1), gone).await;
            assert!(gone.unwrap().is_err(), "the task is gone");
        }
    }

    #[test]
    fn a_wrong_mode_is_named() {
        let error = "unparsable".parse::<Mode>().unwrap_err();
        assert!(error.starts_with("Wrong mode: 'unparsable'"), "{error}");
        assert!(!"a\nb".parse::<Mode>().unwrap_err().contains('\n'));
    }
}
