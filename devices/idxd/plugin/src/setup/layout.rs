//! How an accelerator is to be, or is.

use std::collections::BTreeMap;

use super::accelerator::Accelerator;
use super::attributes::{Attribute, Form, Part};

/// The values of an accelerator's attributes, and which queues are enabled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    settings: BTreeMap<Part, BTreeMap<&'static str, Setting>>,
    /// The queues that are enabled, and the driver of each; the accelerator is, if one is.
    pub(crate) drivers: BTreeMap<u32, String>,
}

/// The value of one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) value: String,
    /// For messages: the file, the line, the part and the key.
    pub(crate) place: String,
}

impl Layout {
    /// All that is set for a part; `None` if it is not described.
    pub(crate) fn part(&self, part: Part) -> Option<&BTreeMap<&'static str, Setting>> {
        self.settings.get(&part)
    }

    pub(crate) fn parts(&self) -> impl Iterator<Item = (Part, &BTreeMap<&'static str, Setting>)> {
        self.settings.iter().map(|(part, settings)| (*part, settings))
    }

    pub(crate) fn queues(&self) -> Vec<u32> {
        let number = |part: &Part| if let Part::Queue(number) = part { Some(*number) } else { None };
        self.settings.keys().filter_map(number).collect()
    }

    pub(crate) fn get(&self, part: Part, name: &str) -> Option<&Setting> {
        self.settings.get(&part)?.get(name)
    }

    pub(crate) fn text(&self, part: Part, name: &str) -> Option<&str> {
        self.get(part, name).map(|setting| setting.value.as_str())
    }

    /// The value as a number, if it is there and is one.
    pub(crate) fn number(&self, part: Part, name: &str) -> Option<i64> {
        self.text(part, name)?.parse().ok()
    }

    /// The part is described from now on, even if nothing is set.
    pub(crate) fn describe(&mut self, part: Part) -> &mut BTreeMap<&'static str, Setting> {
        self.settings.entry(part).or_default()
    }

    pub(crate) fn set(&mut self, part: Part, name: &'static str, value: &str, place: &str) {
        let setting = Setting { value: value.to_owned(), place: place.to_owned() };
        self.describe(part).insert(name, setting);
    }

    pub(crate) fn unset(&mut self, part: Part, name: &str) -> Option<Setting> {
        self.settings.get_mut(&part)?.remove(name)
    }

    /// Keeps what can be set on a device that the firmware configured.
    pub(crate) fn keep_free_of_firmware(&mut self) {
        for (part, settings) in &mut self.settings {
            settings.retain(|name, _| part.is_free_of_firmware(name));
        }
    }

    /// All settings in the order of writing.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (Part, &'static Attribute, &Setting)> {
        self.settings.iter().flat_map(|(part, settings)| {
            let attributes = part.attributes().iter();
            attributes.filter_map(|attribute| Some((*part, attribute, settings.get(attribute.name)?)))
        })
    }

    /// Sets what the file leaves out to what a device has that was just disabled: no group for engines and queues, no
    /// entries, no special treatment. Only what this kernel and device have.
    pub(crate) fn complete(&mut self, accelerator: &Accelerator<'_>, file: &str) -> Result<(), String> {
        const OF_A_QUEUE: [&str; 3] = ["prs_disable", "block_on_fault", "ats_disable"];
        for part in accelerator.parts()? {
            let is_described = self.part(part).is_some();
            for attribute in part.attributes() {
                let Some(default) = attribute.default else { continue };
                let wanted = match part {
                    Part::Queue(_) if is_described => OF_A_QUEUE.contains(&attribute.name),
                    Part::Queue(_) => ["group_id", "size"].contains(&attribute.name),
                    _ => true,
                };
                if !wanted || self.get(part, attribute.name).is_some() {
                    continue;
                }
                if accelerator.value(part, attribute)?.is_some() {
                    let place = format!("{file}: {}: {:?}", accelerator.name.part(part), attribute.name);
                    self.set(part, attribute.name, default, &place);
                }
            }
        }
        Ok(())
    }

    /// How the accelerator is now.
    pub(crate) fn of(accelerator: &Accelerator<'_>) -> Result<Self, String> {
        let mut layout = Self::default();
        let is_enabled = accelerator.state()? == "enabled";
        for part in accelerator.parts()? {
            if let Part::Queue(number) = part
                && is_enabled
                && accelerator.queue_is_enabled(number)?
            {
                layout.drivers.insert(number, accelerator.driver_of(number)?);
            }
            for attribute in part.attributes() {
                let Some(value) = accelerator.value(part, attribute)? else { continue };
                // A type that only another kernel knows.
                let is_unknown = matches!(attribute.form, Form::Word(words) if !words.contains(&value.as_str()))
                    && attribute.default != Some(&value);
                if !is_unknown {
                    let place = format!("{}/{}", accelerator.name.folder(part), attribute.name);
                    layout.set(part, attribute.name, &value, &place);
                }
            }
        }
        if !accelerator.is_configurable()? {
            layout.keep_free_of_firmware();
        }
        Ok(layout)
    }

    /// Leaves out what the kernel shows but does not let be set.
    pub(crate) fn drop_unsettable(&mut self, accelerator: &Accelerator<'_>) -> Result<(), String> {
        self.drop_unused_limit(accelerator)?;
        let most = accelerator.limit("max_read_buffers")?.unwrap_or_default();
        self.drop_unused_buffers(i64::try_from(most).unwrap_or(i64::MAX));
        Ok(())
    }

    pub(crate) fn groups(&self) -> Vec<Part> {
        self.settings.keys().filter(|part| matches!(part, Part::Group(_))).copied().collect()
    }

    /// How many read buffers the groups reserve in all.
    pub(crate) fn reserved_buffers(&self) -> i64 {
        self.groups().into_iter().filter_map(|group| self.number(group, "read_buffers_reserved")).sum()
    }

    /// How many of `most` read buffers a group may be allowed: those that no other reserves.
    pub(crate) fn free_buffers(&self, group: Part, most: i64) -> i64 {
        most - self.reserved_buffers() + self.number(group, "read_buffers_reserved").unwrap_or_default()
    }

    /// How many engines a group has.
    pub(crate) fn engines_of(&self, group: Part) -> i64 {
        let is_in = |part: &&Part| {
            matches!((part, group), (Part::Engine(_), Part::Group(number))
                if self.number(**part, "group_id") == Some(i64::from(number)))
        };
        self.settings.keys().filter(is_in).map(|_| 1).sum()
    }

    /// The kernel shows more read buffers for a group that has no engine than it lets be set, once others reserve some.
    pub(crate) fn drop_unused_buffers(&mut self, most: i64) {
        for group in self.groups() {
            let allowed = self.number(group, "read_buffers_allowed").unwrap_or_default();
            if self.engines_of(group) == 0 && allowed > self.free_buffers(group, most) {
                self.unset(group, "read_buffers_allowed");
            }
        }
    }

    /// The kernel refuses to have groups keep to a limit of 0, so then they do not. True: a group was to.
    pub(crate) fn drop_unused_limit(&mut self, accelerator: &Accelerator<'_>) -> Result<bool, String> {
        let limit = match self.text(Part::Device, "read_buffer_limit") {
            Some(limit) => Some(limit.to_owned()),
            None => accelerator.read_buffer_limit()?,
        };
        let mut was_wanted = false;
        if limit.is_some_and(|limit| limit == "0") {
            for group in self.groups() {
                if self.text(group, "use_read_buffer_limit") == Some("1") {
                    self.unset(group, "use_read_buffer_limit");
                    was_wanted = true;
                }
            }
        }
        Ok(was_wanted)
    }
}
