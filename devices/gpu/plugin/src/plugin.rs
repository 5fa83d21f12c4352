//! The plugin: all GPUs of a node as resources of the kubelet.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use device_plugin::{
    Capabilities, ContainerEdits, Device, DeviceNode, DevicePlugin, DeviceSpec, DiscoverError, Expectation,
    Health as State, Inventory, Refusal, Rescan, Triggers, policy::Choice,
};
use host::Host;

use crate::bypath::Links;
use crate::card::{self, Card};
use crate::{Config, Health, HealthSource, Monitoring, Snapshot, Verdict, health, prefer, wsl};

/// The id of a monitoring resource's one device.
const ALL: &str = "all";

/// Offers Intel GPUs.
#[derive(Debug)]
pub struct GpuPlugin {
    config: Config,
    health: Health,
    /// What the plugin had been told whose place this one took.
    inherited: OnceLock<Snapshot>,
    /// The cards that the log speaks of. Nothing else depends on it.
    introduced: Mutex<BTreeSet<String>>,
}

impl GpuPlugin {
    /// A plugin that takes the GPUs' health from `health`.
    pub fn new(config: Config, health: Health) -> Self {
        Self { config, health, inherited: OnceLock::new(), introduced: Mutex::default() }
    }

    /// A plugin with the source of health that the configuration names, which runs as a task of the current runtime and
    /// asks for a new look when something changed.
    pub fn start(config: Config, host: &Host, rescan: &Rescan) -> Self {
        let health = match (&config.health, config.wsl) {
            (HealthSource::LevelZero(limits), _) => health::levelzero::follow_health(host, *limits, rescan),
            (HealthSource::Xpumd { socket, severity }, _) => health::xpumd::follow(socket, *severity, rescan),
            (HealthSource::None, true) => health::levelzero::follow_indices(host, rescan),
            (HealthSource::None, false) => health::unwatched(),
        };
        Self::new(config, health)
    }

    /// What is known of the GPUs' health: the last that this plugin was told, and before that what its forerunner was.
    fn told(&self) -> Snapshot {
        let mut told = self.inherited.get().cloned().unwrap_or_default();
        let Snapshot { verdicts, indices } = (**self.health.borrow()).clone();
        told.verdicts.extend(verdicts);
        told.indices = indices.or(told.indices);
        told
    }

    fn discover_cards(&self, host: &Host) -> Result<Inventory, DiscoverError> {
        let snapshot = self.told();
        let mut inventory = Inventory::default();
        let mut monitoring: BTreeMap<String, DeviceSpec> = BTreeMap::new();
        let mut cards = BTreeSet::new();
        let links = Links::read(host, self.config.bypath);
        for name in card::names(host)? {
            let mut warnings = Vec::new();
            match Card::find(host, &name, &self.config.ids, &mut |warning| warnings.push(warning)) {
                Ok(Some(card)) => {
                    self.add_card(host, &card, &links, &snapshot, &mut inventory);
                    cards.extend(
                        card.address()
                            .map(|at| format!("{} is the GPU at {at}, on {}", card.name, card.driver)),
                    );
                    if let Some(mode) = self.config.monitoring {
                        let resource = match mode {
                            Monitoring::Single => "monitoring".to_owned(),
                            Monitoring::Split => format!("{}_monitoring", card.driver),
                        };
                        add_monitoring(host, &card, monitoring.entry(resource).or_default());
                    }
                }
                Ok(None) => {}
                Err(warning) => warnings.push(warning),
            }
            inventory.warnings.extend(warnings);
        }
        for (resource, spec) in monitoring {
            inventory.add(&resource, ALL, Device::healthy(spec));
        }
        self.introduce(cards);
        Ok(inventory)
    }

    /// Says once where each card is: its number, and so its id, may be another one when the node has booted again.
    fn introduce(&self, cards: BTreeSet<String>) {
        let mut introduced = self.introduced.lock().unwrap_or_else(PoisonError::into_inner);
        for card in cards.difference(&introduced) {
            tracing::info!("{card}");
        }
        *introduced = cards;
    }

    fn add_card(
        &self,
        host: &Host,
        card: &Card,
        links: &Links,
        snapshot: &Snapshot,
        inventory: &mut Inventory,
    ) {
        let spec = card.spec(host, links, &mut |warning| inventory.warn(warning));
        let spec = Arc::new(spec);
        let verdict = card.address().and_then(|address| snapshot.verdicts.get(&address));
        let state = match verdict {
            Some(Verdict::Unhealthy(trouble)) => State::Unhealthy(trouble.reason.clone()),
            Some(Verdict::Healthy) | None => State::Healthy,
        };
        for share in 0..self.config.shares {
            let device = Device { health: state.clone(), spec: Arc::clone(&spec) };
            inventory.add(&card.driver, format!("{}-{share}", card.name), device);
        }
    }
}

impl DevicePlugin for GpuPlugin {
    fn namespace(&self) -> &'static str {
        "gpu.intel.com"
    }

    fn triggers(&self) -> Triggers {
        Triggers {
            // Virtual functions come and go with their PCI functions; a card's driver changes with them too.
            subsystems: &["drm", "pci", "mei"],
            pci_classes: &["3"],
            folders: &["/dev/dri", "/dev/dri/by-path"],
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { prefers: true, pre_starts: false }
    }

    fn unseen(&self, _host: &Host) -> Vec<String> {
        let who = match self.config.health {
            HealthSource::None => return Vec::new(),
            HealthSource::LevelZero(_) => "the Level-Zero sidecar",
            HealthSource::Xpumd { .. } => "XPU Manager's daemon",
        };
        vec![format!("asks {who} which GPUs are healthy when it runs; here all are")]
    }

    fn discover(&self, host: &Host) -> Result<Inventory, DiscoverError> {
        if !self.config.wsl {
            return self.discover_cards(host);
        }
        let snapshot = self.told();
        let Some(indices) = &snapshot.indices else {
            return Err(DiscoverError::not_yet(
                "the Level-Zero sidecar has not said yet which GPUs there are",
            ));
        };
        let mut inventory = Inventory::default();
        wsl::discover(host, indices, self.config.shares, &mut inventory);
        Ok(inventory)
    }

    fn allocate(
        &self,
        resource: &str,
        devices: &[(&str, &Device)],
        mut edits: ContainerEdits,
    ) -> Result<ContainerEdits, Refusal> {
        if resource == wsl::RESOURCE {
            wsl::merge_masks(devices, &mut edits);
        }
        Ok(edits)
    }

    fn prefer(&self, _resource: &str, choice: &Choice<'_>) -> Vec<String> {
        prefer::prefer(self.config.policy, choice)
    }

    /// With other flags there is another connection to who says whether a GPU works: until it answers, each GPU keeps its
    /// last state.
    fn take_over(&self, former: &dyn DevicePlugin) {
        let is_watched = self.config.health != HealthSource::None || self.config.wsl;
        let former = (former as &dyn Any).downcast_ref::<Self>().filter(|_| is_watched);
        if let Some(former) = former {
            // Once is all there is to it.
            let _ = self.inherited.set(former.told());
        }
    }

    fn list_size_flag(&self) -> Option<&'static str> {
        Some("-shared-dev-num")
    }
}

/// Monitoring has no place: it would tie the container to one socket for the sake of a GPU in each.
fn add_monitoring(host: &Host, card: &Card, spec: &mut DeviceSpec) {
    for (path, is_visible) in card.monitoring_nodes(host) {
        let node = DeviceNode::same_path(host, &path);
        if spec.edits.nodes.contains(&node) {
            continue;
        }
        spec.edits.nodes.push(node);
        if is_visible {
            spec.expects.push(Expectation::DeviceNode(path.into()));
        }
    }
}
