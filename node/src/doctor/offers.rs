//! What the node would offer, and whether the kubelet has it.

use std::path::Path;

use ::doctor::Severity::{Error, Note, Warning};
use ::doctor::kubelet::FOLDER;
use ::doctor::programs::Running;
use ::doctor::{Check, Kind, some_of};
use device_plugin::{Checkpoint, Health, Offer};
use host::Host;

use crate::families::{FAMILIES, Family};
use crate::place::Node;
use crate::plan::configuration::{Configuration, Plugin};
use crate::plan::offered::Offered;

/// What is said of one family, at most.
const MOST: usize = 20;

static BAD_CHECKPOINT: Kind = Kind {
    id: "kubelet-checkpoint-damaged",
    severity: Error,
    about: "the kubelet's checkpoint of devices cannot be understood",
    why: "a kubelet that starts with it forgets which container has which device, or does not start",
};
static LEFT_OUT: Kind = Kind {
    id: "device-left-out",
    severity: Warning,
    about: "a plugin would leave something out",
    why: "what is left out is not offered; the plugin's log says the same",
};
static UNHEALTHY: Kind = Kind {
    id: "device-unhealthy",
    severity: Error,
    about: "a device is unhealthy",
    why: "the kubelet counts it as capacity and gives it to nobody",
};
static FAILED: Kind = Kind {
    id: "discovery-failed",
    severity: Error,
    about: "a plugin could not look at the node",
    why: "nothing of its family is offered, or what was offered before stays so",
};
static NOT_TAKEN: Kind = Kind {
    id: "offer-not-taken",
    severity: Warning,
    about: "a plugin runs, and the kubelet does not have what it would offer",
    why: "pods are given too little, or devices that are not there: the plugin is not registered, or hangs",
};
static NO_PLUGIN: Kind = Kind {
    id: "plugin-not-running",
    severity: Note,
    about: "the node has devices and no plugin for them",
    why: "nothing of that family is offered",
};

/// What may be found.
pub(super) const KINDS: &[&Kind] = &[&BAD_CHECKPOINT, &LEFT_OUT, &UNHEALTHY, &FAILED, &NOT_TAKEN, &NO_PLUGIN];

/// Looks at the node once with the plugin of each of these families and compares with the kubelet's checkpoint: with the flags
/// that are given, those of the plugin that runs, or its defaults. Nothing is changed: no plugin is asked to prepare anything.
pub(super) fn check(
    node: &Node,
    families: &[&str],
    running: &[Running],
    given: Option<&Configuration>,
) -> Check {
    let mut check = Check::new("offers");
    let checkpoint = if node.is_live { checkpoint(&node.host, &mut check) } else { None };
    for family in FAMILIES.iter().filter(|family| families.contains(&family.name)) {
        let process = running.iter().find(|one| one.family == family.name);
        let flags = match given.and_then(|given| given.families.get(family.name)) {
            Some(Plugin::Off) => continue,
            Some(Plugin::On { flags, .. }) => Some(flags.clone()),
            None => process.and_then(|process| process.flags.clone()),
        };
        let Some((offer, is_told)) = offer(&node.host, family, flags.clone(), &mut check) else { continue };
        for (name, devices) in &offer.resources {
            let healthy = devices.values().filter(|health| **health == Health::Healthy).count();
            check.fine(format!("{name}: {healthy}"));
        }
        match (process, &checkpoint) {
            (None, _) if node.is_live => check.found(
                &NO_PLUGIN,
                format!("no process of the plugin of {} is seen", family.name),
                format!(
                    "nothing, if it is not wanted here; else kubectl get pods -A -o wide --field-selector spec.nodeName=NODE, for \
                     the pod of intel-{}-plugin or of intel-device-plugins",
                    family.name
                ),
            ),
            (Some(_), Some(checkpoint)) => {
                let doubt = if flags.is_none() {
                    ", unless its file of flags says otherwise"
                } else if is_told {
                    ", unless it was told otherwise while it runs"
                } else {
                    ""
                };
                compare(&mut check, family, offer, checkpoint, doubt);
            }
            _ => {}
        }
    }
    if check.fine.is_empty() && check.findings.is_empty() {
        check.fine("nothing");
    }
    check
}

fn checkpoint(host: &Host, check: &mut Check) -> Option<Checkpoint> {
    match Checkpoint::read(host, Path::new(FOLDER)) {
        Err(error) if error.source.kind() == std::io::ErrorKind::InvalidData => {
            let path = error.path.display();
            let fix = format!("drain the node, systemctl stop kubelet, rm {path}, systemctl start kubelet");
            check.found(&BAD_CHECKPOINT, format!("{path}: {}", error.source), fix);
            None
        }
        found => check.see(found),
    }
}

/// What the plugin would offer, and whether it is told more while it runs; `None` if it is not known.
fn offer(
    host: &Host,
    family: &Family,
    flags: Option<Vec<String>>,
    check: &mut Check,
) -> Option<(Offer, bool)> {
    let of_it = format!("what {} offers", family.name);
    let configuration = Configuration::of_family(family.name, flags.unwrap_or_default());
    let Offered { offer, mut families } = match Offered::of(&configuration, host) {
        Ok(offered) => offered,
        Err(why) => {
            check.unseen(of_it, why);
            return None;
        }
    };
    let said = families.remove(family.name).unwrap_or_default();
    if let Some(why) = said.failure {
        check.found(&FAILED, format!("{}: {why}", family.name), "look at the path, and at dmesg");
        return None;
    }
    let is_told = !said.unseen.is_empty();
    for note in said.unseen {
        check.unseen(of_it.clone(), note);
    }
    for warning in said.warnings.into_iter().take(MOST) {
        let fix = "the plugin's log says the same: the family's page, `What the log says, and what to do`";
        check.found(&LEFT_OUT, warning, fix);
    }
    for (name, devices) in &offer.resources {
        let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
        for (id, health) in devices {
            let Health::Unhealthy(why) = health else { continue };
            match reasons.iter_mut().find(|(known, _)| known == why) {
                Some((_, ids)) => ids.push(id.clone()),
                None => reasons.push((why, vec![id.clone()])),
            }
        }
        for (why, ids) in reasons.into_iter().take(MOST) {
            let fix = "what the reason says; it becomes healthy by itself when the cause is gone";
            check.found(&UNHEALTHY, format!("{name}: {}: {why}", some_of(&ids)), fix);
        }
    }
    Some((offer, is_told))
}

/// In doubt, only whether the kubelet has anything of the family.
fn compare(check: &mut Check, family: &Family, offer: Offer, checkpoint: &Checkpoint, doubt: &str) {
    let mut has = checkpoint.offer.clone();
    has.resources.retain(|name, _| family.offers(name));
    let differences = has.differences(&offer.healthy());
    let has_any = has.resources.values().any(|devices| !devices.is_empty());
    if differences.is_empty() || (!doubt.is_empty() && has_any) {
        return;
    }
    let said: Vec<String> = differences
        .iter()
        .map(|one| {
            format!("{}: the kubelet has {}, the plugin would offer {}", one.resource, one.before, one.after)
        })
        .collect();
    check.found(
        &NOT_TAKEN,
        format!("{}{doubt}", some_of(&said)),
        "kubectl logs of the plugin's pod, from `cannot register` on; delete the pod, and a new one registers",
    );
}
