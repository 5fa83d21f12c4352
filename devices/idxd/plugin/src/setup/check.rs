//! Whether an accelerator can be as a file wants it: found out before anything is changed.

use std::collections::BTreeSet;

use super::accelerator::{Accelerator, driver_for};
use super::attributes::{Form, Part};
use super::layout::Layout;

/// What to check, and where.
pub(crate) struct Check<'a> {
    pub(crate) accelerator: &'a Accelerator<'a>,
    /// For messages.
    pub(crate) file: &'a str,
}

impl Check<'_> {
    /// Checks a layout and completes it. The answer is what was changed in it and why; the error is the first thing
    /// that is wrong.
    pub(crate) fn run(&self, layout: &mut Layout) -> Result<Vec<String>, String> {
        let mut warnings = Vec::new();
        self.existence(layout)?;
        if layout.queues().is_empty() {
            return Err(format!(
                "{}: {} has no queue, so it cannot be enabled",
                self.file, self.accelerator.name
            ));
        }
        if self.accelerator.is_configurable()? {
            for number in layout.queues() {
                self.queue(layout, number)?;
            }
            self.limits(layout)?;
            self.groups(layout)?;
            if layout.drop_unused_limit(self.accelerator)? {
                warnings.push(format!(
                    "{}: {}: \"use_read_buffer_limit\" is ignored: \"read_buffer_limit\" is 0",
                    self.file, self.accelerator.name
                ));
            }
            self.read_buffers(layout)?;
        } else {
            warnings.extend(self.firmware(layout)?);
        }
        self.drivers(layout);
        if self.accelerator.is_configurable()? {
            layout.complete(self.accelerator, self.file)?;
        }
        Ok(warnings)
    }

    fn name(&self, part: Part) -> String {
        self.accelerator.name.part(part)
    }

    fn existence(&self, layout: &Layout) -> Result<(), String> {
        let parts = self.accelerator.parts()?;
        let Some((part, _)) = layout.parts().find(|(part, _)| !parts.contains(part)) else { return Ok(()) };
        let (kind, is_same): (_, fn(&Part) -> bool) = match part {
            Part::Group(_) => ("groups", |part| matches!(part, Part::Group(_))),
            Part::Engine(_) => ("engines", |part| matches!(part, Part::Engine(_))),
            Part::Device | Part::Queue(_) => ("queues", |part| matches!(part, Part::Queue(_))),
        };
        let count = parts.iter().filter(|part| is_same(part)).count();
        let device = &self.accelerator.name;
        Err(format!("{}: there is no {}: {device} has {count} {kind}", self.file, self.name(part)))
    }

    /// What every queue needs to be enabled.
    fn queue(&self, layout: &mut Layout, number: u32) -> Result<(), String> {
        let queue = Part::Queue(number);
        let wrong = |what: &str| format!("{}: {}: {what}", self.file, self.name(queue));
        if layout.get(queue, "mode").is_none() {
            layout.set(queue, "mode", "shared", &wrong("\"mode\""));
        }
        for needed in ["group_id", "size", "priority", "type", "name"] {
            if layout.get(queue, needed).is_none() {
                return Err(wrong(&format!("{needed:?} is missing")));
            }
        }
        let size = layout.number(queue, "size").unwrap_or_default();
        if size == 0 {
            return Err(wrong("\"size\" is 0, not 1 or more"));
        }
        if layout.text(queue, "mode") == Some("dedicated") {
            // There is none, but files have one, so that the mode alone can be changed.
            layout.unset(queue, "threshold");
        } else {
            match layout.number(queue, "threshold") {
                Some(threshold) if (1..=size).contains(&threshold) => {}
                Some(threshold) => {
                    return Err(wrong(&format!(
                        "\"threshold\" is {threshold}, not 1 to its \"size\", {size}"
                    )));
                }
                None => return Err(wrong("\"threshold\" is missing, which a shared queue needs")),
            }
            if self.accelerator.number("pasid_enabled")? == Some(0) {
                return Err(wrong(
                    "it cannot be shared without PASIDs; start the node with intel_iommu=on,sm_on",
                ));
            }
        }
        let is_on = |name| layout.text(queue, name) == Some("1");
        if is_on("prs_disable") && is_on("block_on_fault") {
            return Err(wrong("\"block_on_fault\" and \"prs_disable\" exclude each other"));
        }
        Ok(())
    }

    fn limits(&self, layout: &Layout) -> Result<(), String> {
        let device = &self.accelerator.name;
        for (_, attribute, setting) in layout.in_order() {
            let (limit, least) = match attribute.form {
                Form::UpTo(limit) | Form::PowerUpTo(limit) => (limit, 0),
                Form::Group => ("max_groups", 1),
                _ => continue,
            };
            let (Some(most), Ok(value)) =
                (self.accelerator.limit(limit)?, attribute.form.normal(&setting.value).parse::<u64>())
            else {
                continue;
            };
            if value + least > most {
                let (place, given) = (&setting.place, &setting.value);
                return Err(format!("{place} is {given}, but {limit} of {device} is {most}"));
            }
        }
        let most = u64::from(self.accelerator.count("max_work_queues_size")?);
        let mut total = 0;
        for number in layout.queues() {
            let Some(size) = layout.get(Part::Queue(number), "size") else { continue };
            total += size.value.parse::<u64>().unwrap_or_default();
            if total > most {
                let place = &size.place;
                return Err(format!(
                    "{place}: the queues up to this one have {total} entries, {device} {most}"
                ));
            }
        }
        Ok(())
    }

    /// The hardware wants queues and engines in a group, or neither.
    fn groups(&self, layout: &Layout) -> Result<(), String> {
        let with = |is_kind: fn(&Part) -> bool| -> BTreeSet<i64> {
            let parts = layout.parts().map(|(part, _)| part).filter(is_kind);
            parts.filter_map(|part| layout.number(part, "group_id")).collect()
        };
        let queues = with(|part| matches!(part, Part::Queue(_)));
        let engines = with(|part| matches!(part, Part::Engine(_)));
        let index = self.accelerator.name.index;
        if let Some(group) = queues.difference(&engines).next() {
            return Err(format!("{}: group{index}.{group} has a queue but no engine", self.file));
        }
        if let Some(group) = engines.difference(&queues).next() {
            return Err(format!("{}: group{index}.{group} has an engine but no queue", self.file));
        }
        Ok(())
    }

    fn read_buffers(&self, layout: &mut Layout) -> Result<(), String> {
        let Some(most) = self.accelerator.limit("max_read_buffers")? else { return Ok(()) };
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let total = layout.reserved_buffers();
        if total > most {
            let device = &self.accelerator.name;
            return Err(format!(
                "{}: the groups reserve {total} read buffers, but {device} has {most}",
                self.file
            ));
        }
        layout.drop_unused_buffers(most);
        for group in layout.groups() {
            let Some(allowed) = layout.get(group, "read_buffers_allowed") else { continue };
            // GRPCFG in the architecture specification; 0 is all there are.
            let least = 4 * layout.engines_of(group);
            let free = layout.free_buffers(group, most);
            let number = allowed.value.parse::<i64>().unwrap_or_default();
            if number != 0 && !(least..=free).contains(&number) {
                let place = &allowed.place;
                return Err(format!(
                    "{place} is {number}, not {least} (four for each engine of the group) to {free} (those that no other group reserves)"
                ));
            }
        }
        Ok(())
    }

    /// Leaves only what can be set on a device that the firmware configured.
    fn firmware(&self, layout: &mut Layout) -> Result<Option<String>, String> {
        let mut fixed = Vec::new();
        for (part, attribute, setting) in layout.in_order() {
            if part.is_free_of_firmware(attribute.name) {
                continue;
            }
            let now = self.accelerator.value(part, attribute)?;
            let normal = |text: &str| attribute.form.normal(text);
            if let Some(now) = now.filter(|now| normal(now) != normal(&setting.value)) {
                fixed.push(format!("{} of {} stays {now:?}", attribute.name, self.name(part)));
            }
        }
        layout.keep_free_of_firmware();
        for number in layout.queues() {
            for needed in ["type", "name"] {
                if layout.get(Part::Queue(number), needed).is_none() {
                    let queue = self.name(Part::Queue(number));
                    return Err(format!("{}: {queue}: {needed:?} is missing", self.file));
                }
            }
        }
        let device = &self.accelerator.name;
        Ok((!fixed.is_empty())
            .then(|| format!("{device} is configured by the firmware: {}", fixed.join(", "))))
    }

    /// Which driver each queue is to be bound to.
    fn drivers(&self, layout: &mut Layout) {
        for number in layout.queues() {
            let queue = Part::Queue(number);
            let kind = layout.text(queue, "type").unwrap_or_default();
            let driver = layout.text(queue, "driver_name").unwrap_or_else(|| driver_for(kind)).to_owned();
            if layout.get(queue, "driver_name").is_none() {
                let place = format!("{}: {}: \"driver_name\"", self.file, self.name(queue));
                layout.set(queue, "driver_name", &driver, &place);
            }
            layout.drivers.insert(number, driver);
        }
    }
}
