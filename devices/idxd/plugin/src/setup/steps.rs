//! From how an accelerator is to how it should be: the writes.

use host::Plan;

use super::accelerator::Accelerator;
use super::attributes::{Attribute, Part, TRAFFIC_CLASSES};
use super::layout::{Layout, Setting};
use crate::accelerator::ENABLED;

/// Where drivers of accelerators and queues are.
const DRIVERS: &str = "/sys/bus/dsa/drivers";
/// Before Linux 5.15 there was one driver for all, and later kernels have it for old programs
/// (`drivers/dma/idxd/compat.c`).
const ONE_FOR_ALL: &str = "dsa";
const IDXD: &str = "idxd";

/// What is to be written, and what is not although the file says it.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) plan: Plan,
    pub(crate) warnings: Vec<String>,
}

/// An attribute that this kernel and device have.
struct Entry<'a> {
    part: Part,
    attribute: &'static Attribute,
    path: String,
    now: String,
    wanted: &'a str,
    /// What must be written before all else, even if it is what it should be.
    before: Option<&'static str>,
}

impl Entry<'_> {
    fn differs(&self) -> bool {
        self.attribute.form.normal(&self.now) != self.attribute.form.normal(self.wanted)
    }

    /// No threshold is what a queue has that was dedicated last; the kernel does not let it be set.
    fn is_no_threshold(&self) -> bool {
        self.attribute.name == "threshold" && self.wanted == "0"
    }

    /// Whether it must be written after the device was disabled. Not all kernels clear everything then.
    fn is_to_be_set_again(&self) -> bool {
        let is_cleared = match (self.part, self.attribute.default) {
            (Part::Device, _) => !self.differs(),
            (_, Some(default)) => self.wanted == default && self.now == default,
            (_, None) => self.wanted.is_empty() && self.now.is_empty(),
        };
        (!is_cleared || self.before.is_some()) && !self.is_no_threshold() && self.before != Some(self.wanted)
    }

    /// Whether it must be written while the device is disabled.
    fn is_to_be_set(&self) -> bool {
        (self.differs() || self.before.is_some())
            && !self.is_no_threshold()
            && self.first() != Some(self.wanted)
    }

    /// Whether it must be written when all others are enabled: a queue that nobody has enabled yet may be in a group in which
    /// the device could not be.
    fn is_late(&self, layout: &Layout) -> bool {
        let is_last = match self.attribute.name {
            "size" => false,
            "group_id" => self.wanted != "-1",
            _ => true,
        };
        let is_free = |number| !layout.drivers.is_empty() && !layout.drivers.contains_key(&number);
        is_last && matches!(self.part, Part::Queue(number) if is_free(number))
    }

    /// What must be written before all else, lest the kernel find too much in use for a moment.
    fn first(&self) -> Option<&str> {
        let less = |text: &str| text.parse::<u64>().unwrap_or_default();
        match (self.part, self.attribute.name) {
            _ if self.before.is_some() => self.before,
            _ if !self.differs() => None,
            (_, "size" | "read_buffers_reserved") if less(self.wanted) < less(&self.now) => Some(self.wanted),
            (Part::Engine(_), "group_id") if self.now != "-1" => Some("-1"),
            _ => None,
        }
    }
}

/// Adds a write, if there is something; to write nothing is no write, so a line of nothing takes its place.
fn write(plan: &mut Plan, entry: &Entry<'_>, value: Option<&str>) {
    if let Some(value) = value {
        plan.write(&entry.path, if value.is_empty() { "\n" } else { value }, None);
    }
}

/// The writes that make an accelerator be as `layout` says; none if it is. It is disabled for them, which is refused while
/// a queue is in use.
pub(crate) fn plan(accelerator: &Accelerator<'_>, layout: &Layout) -> Result<Draft, String> {
    let name = &accelerator.name;
    let is_enabled = match accelerator.state()?.as_str() {
        ENABLED => true,
        "disabled" => false,
        other => {
            return Err(format!(
                "{name} is {other:?}, so it cannot be configured; look into the kernel's log, and reset it or restart the node"
            ));
        }
    };
    let mut draft = Draft::default();
    let entries = entries(accelerator, layout, &mut draft.warnings)?;
    let Some(difference) = first_difference(accelerator, layout, &entries)? else { return Ok(draft) };
    let drivers = Drivers::of(accelerator);
    let plan = &mut draft.plan;
    if is_enabled {
        if let Some((queue, clients)) = accelerator.busy()? {
            return Err(format!(
                "{name} is left as it is: {difference}, but {queue} is in use (clients: {clients})"
            ));
        }
        plan.write(drivers.file(IDXD, "unbind")?, name.to_string(), None);
    }
    let (late, early): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.is_late(layout));
    for entry in &early {
        write(plan, entry, if is_enabled { entry.before } else { entry.first() });
    }
    if !is_enabled {
        for entry in late.iter().filter(|entry| entry.attribute.name == "group_id" && entry.now != "-1") {
            write(plan, entry, Some("-1"));
        }
    }
    let is_to_be_set =
        |entry: &&&Entry<'_>| if is_enabled { entry.is_to_be_set_again() } else { entry.is_to_be_set() };
    for entry in early.iter().filter(is_to_be_set) {
        write(plan, entry, Some(entry.wanted));
    }
    if !layout.drivers.is_empty() {
        plan.write(drivers.file(IDXD, "bind")?, name.to_string(), None);
    }
    for (number, driver) in &layout.drivers {
        let queue = name.part(Part::Queue(*number));
        let file = drivers.file(driver, "bind").map_err(|error| format!("{queue}: {error}"))?;
        plan.write(file, queue, None);
    }
    for entry in &late {
        write(plan, entry, entry.before);
        let is_last = entry.attribute.name == "group_id" || is_to_be_set(&entry);
        write(plan, entry, is_last.then_some(entry.wanted));
    }
    Ok(draft)
}

fn entries<'a>(
    accelerator: &Accelerator<'_>,
    layout: &'a Layout,
    warnings: &mut Vec<String>,
) -> Result<Vec<Entry<'a>>, String> {
    let has_traffic_classes = accelerator.has_traffic_classes()?;
    let mut entries = Vec::new();
    for (part, attribute, Setting { value: wanted, place }) in layout.in_order() {
        let path = accelerator.path(part, attribute);
        let Some(now) = accelerator.value(part, attribute)? else {
            let is_as_good = attribute.if_missing == Some(wanted);
            // Where there is no such attribute, the driver that is bound is all there is.
            if is_as_good || attribute.name == "driver_name" {
                continue;
            }
            return Err(format!("{place} cannot be set: this kernel or device has no {path}"));
        };
        let before = match attribute.name {
            "mode" => clears_threshold(accelerator, layout, part)?,
            "use_read_buffer_limit" if wanted == "0" && now == "1" => {
                // Where the limit is 0 by now, the kernel does not let groups be freed from it.
                if accelerator.read_buffer_limit()?.is_none_or(|limit| limit == "0") {
                    continue;
                }
                Some("0")
            }
            _ => None,
        };
        let entry = Entry { part, attribute, path, now, wanted, before };
        if TRAFFIC_CLASSES.contains(&attribute.name) && !has_traffic_classes {
            if entry.differs() {
                warnings
                    .push(format!("{place} is ignored: this kernel leaves it {} on this device", entry.now));
            }
            continue;
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// The mode by which a queue loses its threshold, if it must.
fn clears_threshold(
    accelerator: &Accelerator<'_>,
    layout: &Layout,
    queue: Part,
) -> Result<Option<&'static str>, String> {
    let Some(threshold) = queue.attribute("threshold") else { return Ok(None) };
    let is_unwanted = layout.text(queue, threshold.name) == Some("0");
    let has_one = accelerator.value(queue, threshold)?.is_some_and(|now| now != "0");
    Ok((is_unwanted && has_one).then_some("dedicated"))
}

/// What is not as wanted, as words; `None` if all is.
pub(crate) fn difference(accelerator: &Accelerator<'_>, layout: &Layout) -> Result<Option<String>, String> {
    let entries = entries(accelerator, layout, &mut Vec::new())?;
    first_difference(accelerator, layout, &entries)
}

fn first_difference(
    accelerator: &Accelerator<'_>,
    layout: &Layout,
    entries: &[Entry<'_>],
) -> Result<Option<String>, String> {
    let differing: Vec<&Entry<'_>> = entries.iter().filter(|entry| entry.differs()).collect();
    if let [Entry { path, now, wanted, .. }, rest @ ..] = differing.as_slice() {
        let more = if rest.is_empty() { String::new() } else { format!(" (and {} more differ)", rest.len()) };
        return Ok(Some(format!("{path} is {now:?}, not {wanted:?}{more}")));
    }
    let state = accelerator.state()?;
    if (state == ENABLED) == layout.drivers.is_empty() {
        return Ok(Some(format!("it is {state}")));
    }
    for part in accelerator.parts()? {
        let Part::Queue(number) = part else { continue };
        let queue = accelerator.name.part(part);
        let wanted = layout.drivers.get(&number);
        if accelerator.queue_is_enabled(number)? != wanted.is_some() {
            let now = if wanted.is_some() { "is not" } else { "is" };
            return Ok(Some(format!("{queue} {now} enabled")));
        }
        let bound = accelerator.bound(number)?.filter(|driver| driver != ONE_FOR_ALL);
        if let (Some(wanted), Some(bound)) = (wanted, bound)
            && *wanted != bound
        {
            return Ok(Some(format!("{queue} has the driver {bound:?}, not {wanted:?}")));
        }
    }
    Ok(None)
}

/// The drivers of this kernel.
struct Drivers<'a> {
    accelerator: &'a Accelerator<'a>,
    is_one_for_all: bool,
}

impl<'a> Drivers<'a> {
    fn of(accelerator: &'a Accelerator<'a>) -> Self {
        let has = |driver| accelerator.host.exists(format!("{DRIVERS}/{driver}"));
        Self { accelerator, is_one_for_all: !has(IDXD) && has(ONE_FOR_ALL) }
    }

    /// The file to bind to a driver, or to unbind from it.
    fn file(&self, driver: &str, file: &str) -> Result<String, String> {
        let driver = if self.is_one_for_all { ONE_FOR_ALL } else { driver };
        let path = format!("{DRIVERS}/{driver}/{file}");
        if self.accelerator.host.exists(&path) {
            return Ok(path);
        }
        let module = match driver {
            "crypto" => "iaa_crypto",
            "user" | "dmaengine" | IDXD => IDXD,
            other => other,
        };
        Err(format!(
            "there is no {path}: the driver is not loaded; run `modprobe {module}` on the node, and mount /sys/bus/dsa writable"
        ))
    }
}
