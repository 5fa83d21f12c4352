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
/// The pause between two looks, unless the inventory asks for another.
const RESYNC: Duration = Duration::from_mins(1);
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
    host: Host,
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
        let wakeups = Self { host: host.clone(), uevents, folders, triggers: triggers.clone(), rescan };
        wakeups.check_sight();
        wakeups
    }

    /// Waits until something happened and then, shortly, for what comes with it; for no longer than `resync`, if that is
    /// given.
    pub(crate) async fn next(&mut self, resync: Option<Duration>) {
        let resync = resync.unwrap_or(RESYNC);
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
                change = change(&self.host, self.folders.as_mut(), self.triggers.folders) => change.inspect_err(|error| {
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
        if self.is_blind() {
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
    let folders: Vec<PathBuf> = folders.iter().map(|folder| folder_of(folder).into()).collect();
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
    host: &Host,
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
    let ours = changes.folders.iter().find(|change| folders.iter().any(|entry| matters(host, change, entry)));
    Ok(ours.map(|folder| format!("{} changed", folder.path.display())))
}

/// Whether what is wanted, an entry of [`Triggers::folders`], is among what changed, or its folder itself changed.
fn matters(host: &Host, change: &FolderChange, wanted: &str) -> bool {
    let (place, target) = arrow(wanted);
    let (folder, begin) = split(place);
    // A link that is gone leads nowhere; what it led to tells of that.
    let leads_there = |name: &String| {
        target.is_none_or(|target| {
            host.link_target(change.path.join(name)).is_ok_and(|found| found.starts_with(target))
        })
    };
    let is_ours = |name: &String| name.starts_with(begin) && leads_there(name);
    change.path == Path::new(folder)
        && (change.replaced || change.names.is_empty() || change.names.iter().any(is_ours))
}

/// The folder of an entry of [`Triggers::folders`].
pub(crate) fn folder_of(entry: &str) -> &str {
    split(arrow(entry).0).0
}

/// What stands before and after an arrow, if there is one.
fn arrow(entry: &str) -> (&str, Option<&str>) {
    entry.split_once(" -> ").map_or((entry, None), |(place, target)| (place, Some(target)))
}

/// A folder or subsystem, and how the names begin that matter in it.
fn split(place: &str) -> (&str, &str) {
    let filtered = place.strip_suffix('*').and_then(|path| path.rsplit_once('/'));
    filtered.unwrap_or((place, ""))
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
        assert_eq!([folder_of("/dev/dri"), folder_of("/dev/card*")], ["/dev/dri", "/dev"]);
        let change = |replaced, names: &[&str]| FolderChange {
            path: "/dev".into(),
            replaced,
            names: names.iter().map(|name| (*name).into()).collect(),
        };
        let matters = |change, wanted| matters(&Host::real(), &change, wanted);
        assert!(matters(change(false, &["tty1", "card0"]), "/dev/card*"));
        assert!(!matters(change(false, &["tty1"]), "/dev/card*"));
        assert!(matters(change(false, &["tty1"]), "/dev"));
        assert!(!matters(change(false, &["tty1"]), "/dev/tty1"));
        assert!(matters(change(true, &[]), "/dev/card*"));
        assert!(matters(change(false, &[]), "/dev/card*"), "its own permissions");
    }

    #[test]
    fn links_that_lead_elsewhere_do_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("dev/char")).unwrap();
        let link = |name: &str, target: &str| {
            std::os::unix::fs::symlink(target, folder.path().join("dev/char").join(name)).unwrap();
        };
        link("1:1", "../dri/card0");
        link("1:2", "../drive");
        std::fs::write(folder.path().join("dev/char/1:3"), "").unwrap();
        let host = Host::at(folder.path()).unwrap();
        let wanted = "/dev/char -> ../dri";
        assert_eq!(folder_of(wanted), "/dev/char");
        for (names, ours) in [(vec!["1:1"], true), (vec!["1:2", "1:3", "none"], false), (vec![], true)] {
            let names = names.into_iter().map(str::to_owned).collect();
            let change = FolderChange { path: "/dev/char".into(), replaced: false, names };
            assert_eq!(matters(&host, &change, wanted), ours, "{change:?}");
        }
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
