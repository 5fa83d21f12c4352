//! Says when it is time to look at the hardware again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use host::Host;
use host::uevent::{Uevent, UeventSource};
use host::watch::{FolderChange, FolderWatch};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::readable::Readable;
use crate::{Triggers, error_chain};

/// A card that appears makes a handful of events: one look is enough for those that come this close together.
const QUIET: Duration = Duration::from_millis(3);
/// But events that never stop must not put it off for ever.
const LONGEST_DELAY: Duration = Duration::from_millis(30);
/// The pause between two looks when nothing tells of changes.
const BLIND: Duration = Duration::from_secs(5);

/// Asks a plugin's manager to look at the hardware again, from wherever something is known to have changed.
#[derive(Debug, Clone, Default)]
pub struct Rescan(Arc<Notify>);

impl Rescan {
    /// Asks; several requests before the next look are one.
    pub fn request(&self) {
        self.0.notify_one();
    }
}

/// Kernel uevents, changes in folders, requests, and a timer.
pub(crate) struct Wakeups {
    uevents: Option<Readable<UeventSource>>,
    folders: Option<Readable<FolderWatch>>,
    triggers: Triggers,
    rescan: Rescan,
}

impl Wakeups {
    /// Listens from now on: look at the hardware after this, and no change is missed. What can't be had is said in the
    /// log and made up for.
    pub(crate) fn new(host: &Host, triggers: &Triggers, rescan: Rescan) -> Self {
        let uevents = (!triggers.subsystems.is_empty()).then(|| open_uevents(host)).flatten();
        let folders = (!triggers.folders.is_empty()).then(|| watch_folders(host, triggers.folders)).flatten();
        let wakeups = Self { uevents, folders, triggers: triggers.clone(), rescan };
        wakeups.check_sight();
        wakeups
    }

    /// Waits until something happened and then, shortly, for what comes with it; for no longer than `resync`, if that is
    /// given.
    pub(crate) async fn next(&mut self, resync: Option<Duration>) {
        let resync = resync.unwrap_or(self.triggers.resync);
        let resync = Instant::now() + if self.is_blind() { resync.min(BLIND) } else { resync };
        let mut cause = tokio::select! {
            cause = self.event() => cause,
            () = sleep_until(resync) => return,
        };
        let deadline = Instant::now() + LONGEST_DELAY;
        loop {
            tracing::debug!("looking at the hardware: {cause}");
            let quiet = (Instant::now() + QUIET).min(deadline);
            match timeout_at(quiet, self.event()).await {
                Ok(next) => cause = next,
                Err(_) => return,
            }
        }
    }

    async fn event(&mut self) -> String {
        loop {
            let outcome = tokio::select! {
                () = self.rescan.0.notified() => return "asked for".to_owned(),
                uevent = uevent(self.uevents.as_mut(), &self.triggers) => uevent.inspect_err(|error| {
                    tracing::warn!("no kernel uevents any more: {error}");
                    self.uevents = None;
                }),
                change = change(self.folders.as_mut(), self.triggers.folders) => change.inspect_err(|error| {
                    tracing::warn!("no folder is watched any more: {error}");
                    self.folders = None;
                }),
            };
            match outcome {
                Ok(Some(cause)) => return cause,
                Ok(None) => {}
                Err(_) => self.check_sight(),
            }
        }
    }

    /// With no source of events left, it looks often.
    fn is_blind(&self) -> bool {
        self.uevents.is_none() && self.folders.is_none()
    }

    fn check_sight(&self) {
        if self.is_blind() && self.triggers.resync > BLIND {
            tracing::warn!("nothing tells of changes: looking at the hardware every {BLIND:?}");
        }
    }
}

impl Triggers {
    fn matter(&self, event: &Uevent) -> bool {
        let class = event.properties.get("PCI_CLASS").filter(|_| event.subsystem == "pci");
        let device = event.devpath.rsplit('/').next().unwrap_or_default();
        let mut wanted = self.subsystems.iter().map(|wanted| split(wanted));
        wanted.any(|(subsystem, begin)| event.subsystem == subsystem && device.starts_with(begin))
            && class.is_none_or(|class| {
                self.pci_classes.is_empty() || self.pci_classes.iter().any(|ours| class.starts_with(ours))
            })
    }
}

fn open_uevents(host: &Host) -> Option<Readable<UeventSource>> {
    let source = UeventSource::open(host)
        .map_err(|error| error_chain(&error))
        .and_then(|source| Readable::new(source).map_err(|error| error.to_string()));
    source.inspect_err(|error| tracing::warn!("no kernel uevents: {error}")).ok()
}

fn watch_folders(host: &Host, folders: &[&str]) -> Option<Readable<FolderWatch>> {
    let folders: Vec<PathBuf> = folders.iter().map(|folder| split(folder).0.into()).collect();
    let watch = FolderWatch::new(host, &folders)
        .map_err(|error| error_chain(&error))
        .and_then(|watch| Readable::new(watch).map_err(|error| error.to_string()));
    watch.inspect_err(|error| tracing::warn!("folders are not watched: {error}")).ok()
}

async fn uevent(
    source: Option<&mut Readable<UeventSource>>,
    triggers: &Triggers,
) -> Result<Option<String>, String> {
    let Some(source) = source else {
        return std::future::pending().await;
    };
    let drained = source.drain(UeventSource::drain).await.map_err(|error| error.to_string())?;
    let drained = drained.map_err(|error| error_chain(&error))?;
    if drained.lost {
        return Ok(Some("uevents were lost".to_owned()));
    }
    let ours = drained.events.iter().find(|event| triggers.matter(event));
    Ok(ours.map(|event| format!("{} {}", event.action, event.devpath)))
}

async fn change(
    watch: Option<&mut Readable<FolderWatch>>,
    folders: &[&str],
) -> Result<Option<String>, String> {
    let Some(watch) = watch else {
        return std::future::pending().await;
    };
    let changes = watch.drain(FolderWatch::drain).await.map_err(|error| error.to_string())?;
    let changes = changes.map_err(|error| error_chain(&error))?;
    if changes.overflow {
        return Ok(Some("too many changes to tell".to_owned()));
    }
    let ours = changes.folders.iter().find(|change| {
        let mut wanted = folders.iter().map(|folder| split(folder));
        wanted.any(|(folder, begin)| change.path == Path::new(folder) && matters(change, begin))
    });
    Ok(ours.map(|folder| format!("{} changed", folder.path.display())))
}

/// Whether an entry whose name begins like this is among what changed, or the folder itself changed.
fn matters(change: &FolderChange, begin: &str) -> bool {
    change.replaced || change.names.is_empty() || change.names.iter().any(|name| name.starts_with(begin))
}

/// An entry of [`Triggers::folders`] or [`Triggers::subsystems`], and how the names begin that matter in it.
pub(crate) fn split(entry: &str) -> (&str, &str) {
    let filtered = entry.strip_suffix('*').and_then(|path| path.rsplit_once('/'));
    filtered.unwrap_or((entry, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(subsystem: &str, class: Option<&str>) -> Uevent {
        Uevent {
            action: "bind".to_owned(),
            devpath: "/devices/a".to_owned(),
            subsystem: subsystem.to_owned(),
            properties: class.map(|class| ("PCI_CLASS".to_owned(), class.to_owned())).into_iter().collect(),
        }
    }

    #[test]
    fn other_entries_of_a_folder_do_not_matter() {
        assert_eq!(split("/dev/dri"), ("/dev/dri", ""));
        assert_eq!(split("/dev/card*"), ("/dev", "card"));
        let change = |replaced, names: &[&str]| FolderChange {
            path: "/dev".into(),
            replaced,
            names: names.iter().map(|name| (*name).into()).collect(),
        };
        assert!(matters(&change(false, &["tty1", "card0"]), "card"));
        assert!(!matters(&change(false, &["tty1"]), "card"));
        assert!(matters(&change(false, &["tty1"]), ""));
        assert!(matters(&change(true, &[]), "card"));
        assert!(matters(&change(false, &[]), "card"), "its own permissions");
    }

    #[test]
    fn devices_of_other_names_do_not_matter() {
        let triggers = Triggers { subsystems: &["misc/paint_*", "drm"], ..Triggers::default() };
        let matters = |subsystem: &str, devpath: &str| {
            triggers.matter(&Uevent { devpath: devpath.to_owned(), ..event(subsystem, None) })
        };
        assert!(matters("misc", "/devices/virtual/misc/paint_red"));
        assert!(!matters("misc", "/devices/virtual/misc/kvm"));
        assert!(!matters("misc", "/devices/paint_x/misc/kvm"));
        assert!(matters("drm", "/devices/a/drm/card0"));
        assert!(!matters("other", "/devices/paint_red"));
    }

    #[test]
    fn pci_functions_of_other_classes_do_not_matter() {
        let triggers =
            Triggers { subsystems: &["pci", "drm"], pci_classes: &["3", "B40"], ..Triggers::default() };
        let cases = [
            ("pci", Some("30000"), true),
            ("pci", Some("B4000"), true),
            ("pci", Some("B1000"), false),
            // A kernel that does not say.
            ("pci", None, true),
            ("drm", Some("B1000"), true),
            ("usb", Some("30000"), false),
        ];
        for (subsystem, class, matters) in cases {
            assert_eq!(triggers.matter(&event(subsystem, class)), matters, "{subsystem} {class:?}");
        }
        let all = Triggers { subsystems: &["pci"], ..Triggers::default() };
        assert!(all.matter(&event("pci", Some("B1000"))));
    }
}
