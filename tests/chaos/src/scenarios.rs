//! What befalls the plugin, a file for each.

mod cdi;
mod clock;
mod flaps;
mod folder;
mod inotify;
mod instances;
mod kill;
mod restarts;
mod sockets;
mod stall;

use simulator::kubelet::Options;

use crate::hardware::Families;
use crate::world::{Order, Outcome, World};

/// All scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    Restarts,
    Stall,
    Sockets,
    Folder,
    Inotify,
    Cdi,
    Clock,
    Instances,
    Kill,
    Flaps,
}

impl Scenario {
    /// All, those that take longest first.
    pub(crate) const ALL: [Self; 10] = [
        Self::Flaps,
        Self::Restarts,
        Self::Stall,
        Self::Sockets,
        Self::Instances,
        Self::Inotify,
        Self::Kill,
        Self::Folder,
        Self::Clock,
        Self::Cdi,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Restarts => "restarts",
            Self::Stall => "stall",
            Self::Sockets => "sockets",
            Self::Folder => "folder",
            Self::Inotify => "inotify",
            Self::Cdi => "cdi",
            Self::Clock => "clock",
            Self::Instances => "instances",
            Self::Kill => "kill",
            Self::Flaps => "flaps",
        }
    }

    /// How many rounds there are if nobody says another number: in earnest, and in CI.
    pub(crate) fn rounds(self, short: bool) -> usize {
        let (long, few) = match self {
            Self::Restarts => (1000, 40),
            Self::Stall => (4, 2),
            Self::Sockets => (200, 12),
            Self::Folder => (100, 6),
            Self::Inotify => (20, 4),
            Self::Cdi | Self::Clock => (200, 10),
            Self::Instances => (60, 8),
            Self::Kill => (400, 30),
            Self::Flaps => (10_000, 400),
        };
        if short { few } else { long }
    }

    /// Makes the world of the scenario.
    pub(crate) fn world(self, order: &Order) -> Outcome<World> {
        let families = match self {
            // One family, so that what is counted is of one question.
            Self::Kill | Self::Clock | Self::Cdi => Families::Gpu,
            _ => Families::All,
        };
        let tells_instances_apart = order.kubelet_tells_instances_apart();
        let options = Options { tells_instances_apart, ..Options::default() };
        World::new(order, families, options)
    }

    /// Runs all rounds.
    pub(crate) async fn run(self, world: &mut World) -> Outcome<()> {
        match self {
            Self::Restarts => restarts::run(world).await,
            Self::Stall => stall::run(world).await,
            Self::Sockets => sockets::run(world).await,
            Self::Folder => folder::run(world).await,
            Self::Inotify => inotify::run(world).await,
            Self::Cdi => cdi::run(world).await,
            Self::Clock => clock::run(world).await,
            Self::Instances => instances::run(world).await,
            Self::Kill => kill::run(world).await,
            Self::Flaps => flaps::run(world).await,
        }
    }
}
