//! Writes to attributes of accelerators, groups, engines and work queues (`drivers/dma/idxd/sysfs.c` of Linux 6.7).

use std::path::Path;

use rustix::io::Errno;

use super::super::machine::{Done, Machine, ensure, refuse};
use super::super::number;

/// `IDXD_EVL_SIZE_MIN` to `IDXD_EVL_SIZE_MAX`
const EVENT_LOG_SIZES: std::ops::RangeInclusive<u64> = 0x40..=0xffff;
/// `DEVICE_VERSION_2`
const SECOND_VERSION: u64 = 0x200;

/// What was written has to be something.
pub(super) fn some<T>(value: Option<T>) -> Done<T> {
    value.map_or_else(|| refuse(Errno::INVAL), Ok)
}

pub(super) fn decimal(value: &str) -> Done<u64> {
    some(number::unsigned(value, 10))
}

pub(super) fn digit(value: bool) -> String {
    u8::from(value).to_string()
}

impl Machine<'_> {
    pub(in super::super) fn write_to_accelerator(&mut self, device: &Path, path: &Path, value: &str) -> Done {
        let (Some(part), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
        else {
            return self.hold(path, value);
        };
        let kind = part.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let shown = match kind {
            _ if part == device => self.device_value(device, name, value)?,
            _ if part.parent() != Some(device) => return self.hold(path, value),
            kind if kind.starts_with("wq") => self.queue_value(device, part, name, value)?,
            kind if kind.starts_with("group") => self.group_value(device, part, name, value)?,
            kind if kind.starts_with("engine") && name == "group_id" => {
                let group = some(number::signed(value))?;
                self.need_configurable(device)?;
                self.need_group(device, group)?;
                group.to_string()
            }
            _ => return refuse(Errno::ACCESS),
        };
        self.hold(path, &shown)?;
        if name == "group_id" { self.list_members(device) } else { Ok(()) }
    }

    fn device_value(&self, device: &Path, name: &str, value: &str) -> Done<String> {
        match name {
            "read_buffer_limit" => {
                let limit = decimal(value)?;
                self.need_disabled(device)?;
                self.need_configurable(device)?;
                ensure(limit <= self.limit(&device.join("max_read_buffers")), Errno::INVAL)?;
                Ok(limit.to_string())
            }
            "event_log_size" => {
                let size = decimal(value)?;
                self.need_disabled(device)?;
                self.need_configurable(device)?;
                ensure(EVENT_LOG_SIZES.contains(&size), Errno::INVAL)?;
                Ok(size.to_string())
            }
            // Whatever is written.
            "cmd_status" => Ok("0".to_owned()),
            _ => refuse(Errno::ACCESS),
        }
    }

    fn group_value(&self, device: &Path, group: &Path, name: &str, value: &str) -> Done<String> {
        match name {
            "traffic_class_a" | "traffic_class_b" => {
                let class = some(number::signed(value))?;
                self.need_configurable(device)?;
                self.need_disabled(device)?;
                let version = self.read(&device.join("version"));
                let version = version.and_then(|text| number::unsigned(&text, 0)).unwrap_or_default();
                let is_overridden = self.shows(Path::new("/sys/module/idxd/parameters/tc_override"), "Y");
                ensure(version > SECOND_VERSION || is_overridden, Errno::PERM)?;
                ensure((0..=7).contains(&class), Errno::INVAL)?;
                Ok(class.to_string())
            }
            "read_buffers_reserved" | "read_buffers_allowed" => {
                let count = decimal(value)?;
                self.need_configurable(device)?;
                self.need_disabled(device)?;
                let all = self.limit(&device.join("max_read_buffers"));
                let reserved = |group: &Path| self.number(&group.join("read_buffers_reserved"));
                let total: u64 = self.parts(device, "group").iter().map(|one| reserved(one)).sum();
                let mine = all.saturating_sub(total).saturating_add(reserved(group));
                let engines = u64::try_from(self.members(device, "engine", group).len()).unwrap_or(u64::MAX);
                let least = if name.ends_with("allowed") { engines.saturating_mul(4) } else { 0 };
                ensure((least..=mine).contains(&count), Errno::INVAL)?;
                Ok(count.to_string())
            }
            "use_read_buffer_limit" => {
                let uses = decimal(value)? != 0;
                self.need_configurable(device)?;
                self.need_disabled(device)?;
                ensure(self.number(&device.join("read_buffer_limit")) > 0, Errno::PERM)?;
                Ok(digit(uses))
            }
            "desc_progress_limit" | "batch_progress_limit" => {
                let limit = some(number::signed(value))?;
                ensure((0..=3).contains(&limit), Errno::INVAL)?;
                Ok(limit.to_string())
            }
            _ => refuse(Errno::ACCESS),
        }
    }

    pub(super) fn need_configurable(&self, device: &Path) -> Done {
        ensure(self.is_configurable(device), Errno::PERM)
    }

    pub(super) fn need_disabled(&self, device: &Path) -> Done {
        ensure(!self.shows(&device.join("state"), "enabled"), Errno::PERM)
    }

    /// -1 is none.
    pub(super) fn need_group(&self, device: &Path, group: i64) -> Done {
        let count = i64::try_from(self.number(&device.join("max_groups"))).unwrap_or_default();
        ensure((-1..count).contains(&group), Errno::INVAL)
    }

    /// 0 where there is no number.
    pub(super) fn number(&self, path: &Path) -> u64 {
        self.parse(path).unwrap_or_default()
    }

    /// No limit where there is no number.
    pub(super) fn limit(&self, path: &Path) -> u64 {
        self.parse(path).unwrap_or(u64::MAX)
    }
}
