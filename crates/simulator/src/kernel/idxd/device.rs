//! Enabling and disabling accelerators (`drivers/dma/idxd/device.c` of Linux 6.7, and what hardware does).

use std::path::Path;

use rustix::io::Errno;

use super::super::machine::{Done, Machine, ensure, refuse};
use super::Part;

/// Why a command failed (`include/uapi/linux/idxd.h`, and `IDXD_CMDSTS_ERR_*` of `drivers/dma/idxd/registers.h`).
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub(super) enum Status {
    Success = 0,
    DeviceEnabled = 0x8000_0010,
    QueueEnabled = 0x8000_0021,
    NoGroup = 0x8003_0000,
    NoName = 0x8004_0000,
    NoSharedMemory = 0x8005_0000,
    NoThreshold = 0x8006_0000,
    NoSharedQueues = 0x800c_0000,
    NoneConfigured = 0x800d_0000,
    NoIommu = 0x8011_0000,
    NoDriverName = 0x8020_0000,
    /// The sizes of the queues together are too much.
    Sizes = 0x14,
    /// A group has queues but no engine.
    Groups = 0x15,
    /// A queue of size 0.
    QueueSize = 0x22,
    /// A queue of priority 0.
    QueuePriority = 0x23,
}

/// `WQ_DEFAULT_QUEUE_DEPTH`
const DEFAULT_SIZE: &str = "16";

impl Machine<'_> {
    /// The last command had this outcome.
    pub(super) fn set_status(&mut self, device: &Path, status: Status) -> Done {
        let status = status as u32;
        let shown = if status == 0 { "0".to_owned() } else { format!("{status:#x}") };
        self.show(&device.join("cmd_status"), &shown)
    }

    pub(super) fn fail<T>(&mut self, device: &Path, status: Status, errno: Errno) -> Done<T> {
        self.set_status(device, status)?;
        refuse(errno)
    }

    pub(super) fn need(&mut self, good: bool, device: &Path, status: Status) -> Done {
        if good { Ok(()) } else { self.fail(device, status, Errno::NXIO) }
    }

    /// `idxd_device_drv_probe`
    pub(super) fn enable_device(&mut self, part: &Part) -> Done {
        let device = &part.folder;
        let is_off = self.shows(&part.attribute("state"), "disabled");
        self.need(is_off, device, Status::DeviceEnabled)?;
        if self.is_configurable(device) && self.configure(device).is_err() {
            return refuse(Errno::NXIO);
        }
        let queues = self.parts(device, "wq").into_iter();
        let total: u64 = queues.map(|queue| self.number(&queue.join("size"))).sum();
        let is_within = total <= self.number(&part.attribute("max_work_queues_size"));
        self.need(is_within, device, Status::Sizes)?;
        for group in self.parts(device, "group") {
            let has = |kind| !self.members(device, kind, &group).is_empty();
            let good = !has("wq") || has("engine");
            self.need(good, device, Status::Groups)?;
        }
        self.hold(&part.attribute("state"), "enabled")?;
        self.set_status(device, Status::Success)
    }

    /// `idxd_device_config`
    pub(super) fn configure(&mut self, device: &Path) -> Done {
        let queues = self.grouped(device, "wq");
        let has_pasid = !self.shows(&device.join("pasid_enabled"), "0");
        for queue in &queues {
            if self.shows(&queue.join("mode"), "shared") && !has_pasid {
                return self.fail(device, Status::NoSharedQueues, Errno::INVAL);
            }
        }
        if queues.is_empty() {
            return self.fail(device, Status::NoneConfigured, Errno::INVAL);
        }
        // Of which the status says nothing.
        ensure(!self.grouped(device, "engine").is_empty(), Errno::INVAL)?;
        for queue in queues {
            if self.shows(&queue.join("size"), "0") && !self.shows(&queue.join("type"), "none") {
                self.hold(&queue.join("size"), DEFAULT_SIZE)?;
            }
        }
        Ok(())
    }

    /// `idxd_device_drv_remove`; the configuration goes with it where it can be changed.
    pub(super) fn disable_device(&mut self, part: &Part) -> Done {
        let device = &part.folder;
        for folder in self.parts(device, "wq") {
            let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            let queue = Part { folder, name, is_queue: true };
            if let Some(driver) = self.bound_driver(&queue) {
                self.unbind_part(&queue, &driver)?;
            }
        }
        if self.is_configurable(device) {
            self.clear(device)?;
        }
        self.hold(&part.attribute("state"), "disabled")?;
        self.set_status(device, Status::Success)
    }

    /// `idxd_device_clear_state`
    fn clear(&mut self, device: &Path) -> Done {
        for queue in self.parts(device, "wq") {
            self.reset_queue(&queue)?;
            self.show(&queue.join("size"), "0")?;
            self.show(&queue.join("group_id"), "-1")?;
        }
        for engine in self.parts(device, "engine") {
            self.show(&engine.join("group_id"), "-1")?;
        }
        let buffers = self.read(&device.join("max_read_buffers")).unwrap_or_default();
        for group in self.parts(device, "group") {
            self.show(&group.join("use_read_buffer_limit"), "0")?;
            self.show(&group.join("read_buffers_reserved"), "0")?;
            self.show(&group.join("read_buffers_allowed"), &buffers)?;
            for (name, value) in [
                ("traffic_class_a", "1"),
                ("traffic_class_b", "1"),
                ("desc_progress_limit", "0"),
                ("batch_progress_limit", "0"),
            ] {
                self.show(&group.join(name), value)?;
            }
        }
        self.list_members(device)
    }
}
