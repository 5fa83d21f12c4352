//! Enabling and disabling work queues (`drivers/dma/idxd/{device,cdev,dma}.c` of Linux 6.7).

use std::path::Path;

use rustix::io::Errno;

use super::super::machine::{Done, Machine, ensure, refuse};
use super::super::number;
use super::Part;
use super::device::Status;

impl Machine<'_> {
    /// `idxd_user_drv_probe`, `idxd_dmaengine_drv_probe` and the like.
    pub(super) fn enable_queue(&mut self, part: &Part, driver: &str) -> Done {
        let device = part.device().to_owned();
        ensure(self.shows(&device.join("state"), "enabled"), Errno::NXIO)?;
        let is_iaa = device.file_name().is_some_and(|name| name.to_string_lossy().starts_with("iax"));
        ensure(driver != "crypto" || is_iaa, Errno::NODEV)?;
        let is_user = driver == "user";
        if is_user && self.shows(&device.join("pasid_enabled"), "0") {
            return self.fail(&device, Status::NoIommu, Errno::OPNOTSUPP);
        }
        // Not all kernels have it.
        let expected = self.read(&part.attribute("driver_name"));
        if expected.is_some_and(|expected| !expected.starts_with(driver)) {
            return self.fail(&device, Status::NoDriverName, Errno::NODEV);
        }
        self.hold(&part.attribute("type"), if is_user { "user" } else { "kernel" })?;
        if let Err(error) = self.start_queue(part, &device) {
            self.hold(&part.attribute("type"), "none")?;
            // The other drivers have one answer to all.
            return if is_user { Err(error) } else { refuse(Errno::NXIO) };
        }
        if is_user {
            self.add_node(part, &device)?;
        }
        self.set_status(&device, Status::Success)
    }

    /// `idxd_drv_enable_wq`
    fn start_queue(&mut self, part: &Part, device: &Path) -> Done {
        if !self.shows(&part.attribute("state"), "disabled") {
            return self.fail(device, Status::QueueEnabled, Errno::BUSY);
        }
        let shows = |machine: &Self, name: &str, value| machine.shows(&part.attribute(name), value);
        let is_grouped = !shows(self, "group_id", "-1");
        self.need(is_grouped, device, Status::NoGroup)?;
        let is_named = !shows(self, "name", "");
        self.need(is_named, device, Status::NoName)?;
        if shows(self, "mode", "shared") {
            let has_pasid = !self.shows(&device.join("pasid_enabled"), "0");
            self.need(has_pasid, device, Status::NoSharedMemory)?;
            let has_threshold = !shows(self, "threshold", "0");
            self.need(has_threshold, device, Status::NoThreshold)?;
        }
        // Hardware keeps the size that it was enabled with.
        let has_size = !shows(self, "size", "0");
        if self.is_configurable(device) {
            self.configure(device)?;
        }
        self.need(has_size, device, Status::QueueSize)?;
        let has_priority = !shows(self, "priority", "0");
        self.need(has_priority, device, Status::QueuePriority)?;
        self.show(&part.attribute("clients"), "0")?;
        self.hold(&part.attribute("state"), "enabled")
    }

    /// `idxd_wq_add_cdev`
    fn add_node(&mut self, part: &Part, device: &Path) -> Done {
        let major = self.read(&device.join("cdev_major")).unwrap_or_default();
        let numbers = self.names(Path::new("/sys/dev/char"));
        let minor = number::first_free(&format!("{major}:"), &numbers);
        let (place, path) = self.place_of(part);
        let name = path.split('/').next().unwrap_or_default();
        let kind = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
        let wq = part.name.trim_start_matches("wq");
        let words = format!("idxd-cdev kind={kind} name={name} wq={wq} {place} major={major} minor={minor}");
        self.graft(&part.folder, &words)
    }

    /// `idxd_user_drv_remove` and the like. The group and the size stay.
    pub(super) fn disable_queue(&mut self, part: &Part) -> Done {
        for name in self.names(&part.folder).into_iter().filter(|name| name.contains('!')) {
            self.uproot(&part.attribute(&name))?;
        }
        self.cut(&[part.attribute("cdev_minor")])?;
        self.reset_queue(&part.folder)
    }

    /// `idxd_wq_disable_cleanup`
    pub(super) fn reset_queue(&mut self, queue: &Path) -> Done {
        for (name, value) in [
            ("state", "disabled"),
            ("type", "none"),
            ("mode", "shared"),
            ("name", ""),
            ("threshold", "0"),
            ("priority", "0"),
            ("enqcmds_retries", "32"),
            ("block_on_fault", "0"),
            ("ats_disable", "0"),
            ("max_transfer_size", "2097152"),
            ("max_batch_size", "32"),
            ("clients", "0"),
        ] {
            self.show(&queue.join(name), value)?;
        }
        if self.memory.release >= (6, 6) {
            self.show(&queue.join("prs_disable"), "0")?;
        }
        let operations = queue.parent().and_then(|device| self.read(&device.join("op_cap")));
        self.show(&queue.join("op_config"), &operations.unwrap_or_default())
    }
}
