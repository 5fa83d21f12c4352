//! Writes to attributes of work queues (`drivers/dma/idxd/sysfs.c` of Linux 6.7). What is checked first is what the kernel
//! checks first.

use std::path::Path;

use rustix::io::Errno;

use super::super::machine::{Done, Machine, ensure, refuse};
use super::super::number;
use super::attributes::{decimal, digit, some};

/// `IDXD_MAX_PRIORITY`
const MOST_PRIORITY: u64 = 15;
/// `WQ_NAME_SIZE`
const LONGEST_NAME: usize = 1024;
/// `DRIVER_NAME_SIZE`
const LONGEST_DRIVER: usize = 128;
/// `IDXD_ENQCMDS_MAX_RETRIES`
const MOST_RETRIES: u64 = 64;

fn yes_or_no(value: &str) -> Done<bool> {
    some(number::boolean(value))
}

/// `sysfs_streq` with one of these.
fn one_of<'a>(value: &str, known: &[&'a str]) -> Done<&'a str> {
    let value = value.strip_suffix('\n').unwrap_or(value);
    some(known.iter().find(|one| **one == value).copied())
}

/// A text without white space around it.
fn text(value: &str, longest: usize) -> Done<String> {
    ensure(value.len() <= longest, Errno::INVAL)?;
    Ok(value.trim().to_owned())
}

/// The words of a bitmap, the last first.
fn bitmap(text: &str) -> Option<Vec<u32>> {
    text.trim().rsplit(',').map(|word| u32::from_str_radix(word, 16).ok()).collect()
}

impl Machine<'_> {
    /// What the attribute shows after this was written.
    pub(super) fn queue_value(
        &mut self,
        device: &Path,
        queue: &Path,
        name: &str,
        value: &str,
    ) -> Done<String> {
        let is_off = self.shows(&queue.join("state"), "disabled");
        let off = |errno| ensure(is_off, errno);
        match name {
            "group_id" => {
                let group = some(number::signed(value))?;
                self.need_configurable(device)?;
                off(Errno::PERM)?;
                self.need_group(device, group)?;
                Ok(group.to_string())
            }
            "mode" => {
                self.need_configurable(device)?;
                off(Errno::PERM)?;
                let mode = one_of(value, &["dedicated", "shared"])?;
                if mode == "dedicated" {
                    self.show(&queue.join("threshold"), "0")?;
                }
                Ok(mode.to_owned())
            }
            "size" => {
                let size = decimal(value)?;
                self.need_configurable(device)?;
                self.need_disabled(device)?;
                let queues = self.parts(device, "wq").into_iter().filter(|other| other != queue);
                let others: u64 = queues.map(|other| self.number(&other.join("size"))).sum();
                let all = self.limit(&device.join("max_work_queues_size"));
                ensure(size.saturating_add(others) <= all, Errno::INVAL)?;
                Ok(size.to_string())
            }
            "priority" => {
                let priority = decimal(value)?;
                self.need_configurable(device)?;
                off(Errno::PERM)?;
                ensure(priority <= MOST_PRIORITY, Errno::INVAL)?;
                Ok(priority.to_string())
            }
            "threshold" => {
                let threshold = some(number::unsigned(value, 0))?;
                let size = self.number(&queue.join("size"));
                ensure((1..=size).contains(&threshold), Errno::INVAL)?;
                self.need_configurable(device)?;
                off(Errno::NXIO)?;
                ensure(!self.shows(&queue.join("mode"), "dedicated"), Errno::INVAL)?;
                Ok(threshold.to_string())
            }
            "type" => {
                off(Errno::PERM)?;
                let kind = one_of(value, &["none", "kernel", "user"])?;
                if !self.shows(&queue.join("type"), kind) {
                    self.show(&queue.join("name"), "")?;
                }
                Ok(kind.to_owned())
            }
            "name" => off(Errno::PERM).and_then(|()| text(value, LONGEST_NAME)),
            "driver_name" => off(Errno::PERM).and_then(|()| text(value, LONGEST_DRIVER)),
            _ => self.queue_option(device, queue, name, value),
        }
    }

    fn queue_option(&mut self, device: &Path, queue: &Path, name: &str, value: &str) -> Done<String> {
        let is_off = self.shows(&queue.join("state"), "disabled");
        let off = |errno| ensure(is_off, errno);
        match name {
            "block_on_fault" => {
                let capable = self.read(&device.join("gen_cap"));
                let bits = capable.and_then(|text| number::unsigned(&text, 16)).unwrap_or_default();
                ensure(bits & 1 == 1, Errno::OPNOTSUPP)?;
                self.need_configurable(device)?;
                off(Errno::NXIO)?;
                let blocks = yes_or_no(value)?;
                let is_impossible = self.shows(&queue.join("prs_disable"), "1");
                ensure(!(blocks && is_impossible), Errno::OPNOTSUPP)?;
                Ok(digit(blocks))
            }
            "prs_disable" => {
                off(Errno::PERM)?;
                let disables = yes_or_no(value)?;
                if disables {
                    self.show(&queue.join("block_on_fault"), "0")?;
                }
                Ok(digit(disables))
            }
            "ats_disable" => {
                off(Errno::PERM)?;
                self.need_configurable(device)?;
                yes_or_no(value).map(digit)
            }
            "max_transfer_size" | "max_batch_size" => {
                self.need_configurable(device)?;
                off(Errno::PERM)?;
                let size = some(number::unsigned(value, 0).filter(|size| *size > 0))?;
                let size = some(size.checked_next_power_of_two())?;
                ensure(size <= self.limit(&device.join(name)), Errno::INVAL)?;
                Ok(size.to_string())
            }
            "enqcmds_retries" => {
                ensure(!self.shows(&queue.join("mode"), "dedicated"), Errno::OPNOTSUPP)?;
                Ok(decimal(value)?.min(MOST_RETRIES).to_string())
            }
            "op_config" => {
                off(Errno::PERM)?;
                let words = some(bitmap(value))?;
                let capable = self.read(&device.join("op_cap")).and_then(|text| bitmap(&text));
                let mut capable = capable.unwrap_or_default().into_iter();
                let within = words.iter().all(|word| word & !capable.next().unwrap_or_default() == 0);
                ensure(within, Errno::INVAL)?;
                Ok(value.trim().to_owned())
            }
            _ => refuse(Errno::ACCESS),
        }
    }
}
