//! What the node would offer, and whether the kubelet has it.

use std::path::Path;

use ::doctor::Severity::{Error, Note, Warning};
use ::doctor::kubelet::FOLDER;
use ::doctor::programs::Running;
use ::doctor::{Check, Kind, some_of};
use device_plugin::{Checkpoint, Health, Offer, Rescan, error_chain};
use host::Host;

use crate::families::{FAMILIES, Family};
use crate::place::Node;
use crate::plan::configuration::{Configuration, Plugin};

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
    let Ok(runtime) = cli::plugin::runtime(1) else {
        check.unseen("what plugins would offer", "no threads can be started");
        return check;
    };
    // Tasks are started in it, but it is never run.
    let _entered = runtime.enter();
    for family in FAMILIES.iter().filter(|family| families.contains(&family.name)) {
        let process = running.iter().find(|one| one.family == family.name);
        let flags = match given.and_then(|given| given.families.get(family.name)) {
            Some(Plugin::Off) => continue,
            Some(Plugin::On { flags, .. }) => Some(flags.clone()),
            None => process.and_then(|process| process.flags.clone()),
        };
        let Some(offer) = offer(&node.host, family, flags.clone().unwrap_or_default(), &mut check) else {
            continue;
        };
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
                     the pod of {} or of intel-device-plugins",
                    family.entry_point
                ),
            ),
            (Some(_), Some(checkpoint)) => compare(&mut check, family, offer, checkpoint, flags.is_some()),
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

/// What the plugin would offer; `None` if that is not known.
fn offer(host: &Host, family: &Family, mut flags: Vec<String>, check: &mut Check) -> Option<Offer> {
    if family.is_of_a_node {
        // The API is not asked.
        flags.push("-node-name=".to_owned());
    }
    let start = match (family.parse)(&flags) {
        Ok(start) => start,
        Err(why) => {
            check.unseen(
                format!("what {} offers", family.name),
                format!("its flags are not understood: {why}"),
            );
            return None;
        }
    };
    let plugin = start(host, &Rescan::default());
    let inventory = match plugin.discover(host) {
        Ok(inventory) => inventory,
        Err(error) => {
            check.found(
                &FAILED,
                format!("{}: {}", family.name, error_chain(&error)),
                "look at the path, and at dmesg",
            );
            return None;
        }
    };
    for note in plugin.unseen(host) {
        check.unseen(format!("what {} offers", family.name), note);
    }
    let mut offer = Offer::default();
    for warning in offer.add(&*plugin, inventory).into_iter().take(MOST) {
        let fix = "the family's page says what to do about each line of its log: devices/*/README.md";
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
    Some(offer)
}

/// With flags that are not known, only whether the kubelet has anything of the family.
fn compare(check: &mut Check, family: &Family, offer: Offer, checkpoint: &Checkpoint, knows_flags: bool) {
    let mut has = checkpoint.offer.clone();
    has.resources.retain(|name, _| name.split('/').next() == Some(family.namespace));
    let differences = has.differences(&offer.healthy());
    let is_in_doubt = !knows_flags && has.resources.values().any(|devices| !devices.is_empty());
    if differences.is_empty() || is_in_doubt {
        return;
    }
    let said: Vec<String> = differences
        .iter()
        .map(|one| {
            format!("{}: the kubelet has {}, the plugin would offer {}", one.resource, one.before, one.after)
        })
        .collect();
    let flags = if knows_flags { "" } else { ", unless its file of flags says otherwise" };
    check.found(
        &NOT_TAKEN,
        format!("{}{flags}", some_of(&said)),
        "kubectl logs of the plugin's pod, from `cannot register` on; delete the pod, and a new one registers",
    );
}
