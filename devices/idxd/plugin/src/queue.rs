//! A work queue, `wq0.1`, and what a container gets with it.

use std::path::{Path, PathBuf};

use device_plugin::{DeviceSpec, Expectation, error_chain};
use host::{Host, HostError, number_of};

use crate::accelerator::{Accelerator, ENABLED};
use crate::family::Family;

/// A queue that can be offered.
#[derive(Debug)]
pub(crate) struct Queue {
    /// `wq-<type>-<mode>`.
    pub(crate) resource: String,
    /// Several programs may use it at a time.
    pub(crate) is_shared: bool,
    /// What a container gets with it.
    pub(crate) spec: DeviceSpec,
}

/// Whether this is the name of a queue, `wq0.1`.
pub(crate) fn is_queue(name: &str) -> bool {
    let parts = name.split_once('.');
    parts.is_some_and(|(device, queue)| number_of(device, "wq").is_some() && number_of(queue, "").is_some())
}

impl Queue {
    /// The queue `name` of an accelerator, or `None` if it is not enabled, or not there any more. An error is a
    /// warning for the admin.
    pub(crate) fn find(
        host: &Host,
        family: &Family,
        accelerator: &Accelerator,
        name: &str,
    ) -> Result<Option<Self>, String> {
        let left_out = |why: String| format!("{name} is left out: {why}");
        let folder = &accelerator.folder;
        match folder.read(format!("{name}/state")) {
            Ok(state) if state == ENABLED => {}
            Ok(_) => return Ok(None),
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(left_out(error_chain(&error))),
        }
        let path = |attribute: &str| -> PathBuf {
            [folder.path(), name.as_ref(), attribute.as_ref()].iter().collect()
        };
        let read = |attribute: &str| match folder.read(format!("{name}/{attribute}")) {
            Ok(value) if is_word(&value) && value != "none" => Ok(Some(value)),
            Ok(value) => {
                let path = path(attribute);
                Err(left_out(format!("{} says {value:?}, which no enabled queue can have", path.display())))
            }
            // It went while it was looked at.
            Err(error) if error.is_not_found() && !host.exists(folder.path().join(name)) => Ok(None),
            Err(error) => Err(left_out(error_chain(&error))),
        };
        let (Some(kind), Some(mode)) = (read("type")?, read("mode")?) else { return Ok(None) };
        let resource = format!("wq-{kind}-{mode}");
        let is_shared = mode == "shared";

        // The queue may be configured anew, under the same name, before it is handed out.
        let mut spec = DeviceSpec { numa: Some(Vec::new()), ..DeviceSpec::default() };
        for (attribute, value) in [("state", ENABLED), ("type", &kind), ("mode", &mode)] {
            spec.expects.push(Expectation::Value { path: path(attribute), value: value.to_owned() });
        }
        spec.expects.extend(accelerator.expects.clone());
        if kind == "user" {
            let link = char_link(host, family, name).map_err(left_out)?;
            spec.add_node(host, format!("{}/{name}", family.nodes));
            spec.add_node(host, &link);
            spec.expects.push(Expectation::Link { path: link.into(), name: name.to_owned() });
            spec.numa = Some(accelerator.numa.clone());
        }
        Ok(Some(Self { resource, is_shared, spec }))
    }
}

/// The link by which libaccel-config finds the queue's node, `/dev/char/236:0`; without it the node is of no use. udev
/// makes it a moment after the kernel has made the node.
fn char_link(host: &Host, family: &Family, name: &str) -> Result<String, String> {
    let folder = family.nodes;
    let node = format!("{folder}/{name}");
    let number = host.device_number(&node).map_err(|error| {
        missing(&error, &node, &format!("is the node's {folder} mounted into the plugin's container?"))
    })?;
    if number.block {
        return Err(format!("{node} is a block device, not the character device of a queue"));
    }
    let link = format!("/dev/char/{}:{}", number.major, number.minor);
    // udev's link says it at once; any other is followed.
    if let Ok(target) = host.link_target(&link)
        && target.strip_prefix("..").is_ok_and(|rest| Path::new(&node).strip_prefix("/dev") == Ok(rest))
    {
        return Ok(link);
    }
    let target = host.resolve(&link).map_err(|error| {
        let who = "is udev running, and the node's /dev/char mounted into the plugin's container?";
        missing(&error, &link, &format!("libaccel-config needs this link to {node}; {who}"))
    })?;
    if target != Path::new(&node) {
        return Err(format!("{link} leads to {}, not to {node}", target.display()));
    }
    Ok(link)
}

/// Why there is nothing to hand out at `path`; `hint` says what to look at if it does not come by itself.
pub(crate) fn missing(error: &HostError, path: &str, hint: &str) -> String {
    if error.is_not_found() { format!("there is no {path} (yet): {hint}") } else { error_chain(error) }
}

/// Whether this can be a part of a resource's name.
fn is_word(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let ends = [text.bytes().next(), text.bytes().next_back()];
    !text.is_empty() && text.bytes().all(inner) && ends.iter().flatten().all(u8::is_ascii_alphanumeric)
}
