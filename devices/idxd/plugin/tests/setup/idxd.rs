//! What the driver idxd does when an attribute is written to, as in `drivers/dma/idxd/{sysfs,device,cdev}.c` of Linux 6.7.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::kernel::{Done, ENODEV, Kernel, check, errno};

const EPERM: i32 = 1;
const ENXIO: i32 = 6;
const EINVAL: i32 = 22;
const EOPNOTSUPP: i32 = 95;

impl Kernel {
    fn status<T>(&self, device: &Path, status: u32, code: i32) -> io::Result<T> {
        self.set(&device.join("cmd_status"), &format!("{status:#x}"));
        Err(errno(code))
    }

    pub(crate) fn attribute(&self, path: &Path, value: &str) -> Done {
        let (part, name) = (path.parent().unwrap(), path.file_name().unwrap().to_str().unwrap());
        let kind = part.file_name().unwrap().to_str().unwrap();
        let (device, is_queue) =
            if kind.contains('.') { (part.parent().unwrap(), kind.starts_with("wq")) } else { (part, false) };
        let is_on = self.read(&device.join("state")) != "disabled";
        let number: i64 = value.parse().unwrap_or(i64::MIN);
        let is_fixed = self.read(&device.join("configurable")) == "0";
        check(!is_fixed || ["type", "name", "driver_name"].contains(&name), EPERM)?;
        if is_queue {
            check(self.read(&part.join("state")) == "disabled", EPERM)?;
        } else if !kind.starts_with("engine") {
            check(!is_on, EPERM)?;
        }
        let groups = self.number(&device.join("max_groups"));
        match name {
            "group_id" => check((-1..groups).contains(&number), EINVAL)?,
            "size" => {
                check(!is_on, EPERM)?;
                let others: i64 =
                    self.names(device, "wq").iter().map(|wq| self.number(&wq.join("size"))).sum();
                let total = others - self.number(path) + number;
                check(number >= 0 && total <= self.number(&device.join("max_work_queues_size")), EINVAL)?;
            }
            "threshold" => {
                let size = self.number(&part.join("size"));
                check((1..=size).contains(&number) && self.read(&part.join("mode")) == "shared", EINVAL)?;
            }
            "mode" if value == "dedicated" => self.set(&part.join("threshold"), "0"),
            "priority" => check((0..=15).contains(&number), EINVAL)?,
            "type" if value != self.read(path) => self.set(&part.join("name"), ""),
            "name" | "driver_name" => check(!value.is_empty(), EINVAL)?,
            "block_on_fault" if value == "1" => {
                check(self.read(&part.join("prs_disable")) != "1", EOPNOTSUPP)?;
            }
            "prs_disable" if value == "1" => self.set(&part.join("block_on_fault"), "0"),
            "max_transfer_size" | "max_batch_size" => {
                let rounded = u64::try_from(number).map_err(|_error| errno(EINVAL))?.next_power_of_two();
                check(i64::try_from(rounded).unwrap() <= self.number(&device.join(name)), EINVAL)?;
                self.set(path, &rounded.to_string());
                return Ok(());
            }
            "use_read_buffer_limit" => check(self.read(&device.join("read_buffer_limit")) != "0", EPERM)?,
            "traffic_class_a" | "traffic_class_b" => return Err(errno(EPERM)),
            "read_buffers_reserved" | "read_buffers_allowed" => {
                let reserved = |group: &PathBuf| self.number(&group.join("read_buffers_reserved"));
                let total: i64 = self.names(device, "group").iter().map(reserved).sum();
                let free = self.number(&device.join("max_read_buffers")) - total;
                let group = kind.split_once('.').unwrap().1;
                let engines = self.names(device, "engine");
                let engines = engines.iter().filter(|engine| self.read(&engine.join("group_id")) == group);
                let least =
                    if name.ends_with("allowed") { 4 * i64::try_from(engines.count()).unwrap() } else { 0 };
                check((least..=free + reserved(&part.to_owned())).contains(&number), EINVAL)?;
            }
            _ => {}
        }
        self.set(path, value);
        Ok(())
    }

    fn reset_queue(&self, queue: &Path, with_size: bool) {
        let driver = self.node().root().join(queue.strip_prefix("/").unwrap()).join("driver");
        _ = std::fs::remove_file(driver);
        for (name, value) in [
            ("state", "disabled"),
            ("type", "none"),
            ("name", ""),
            ("threshold", "0"),
            ("priority", "0"),
            ("mode", "shared"),
            ("block_on_fault", "0"),
            ("ats_disable", "0"),
            ("max_transfer_size", "2097152"),
            ("max_batch_size", "32"),
            ("clients", "0"),
        ] {
            self.set(&queue.join(name), value);
        }
        if with_size {
            self.set(&queue.join("size"), "0");
            self.set(&queue.join("group_id"), "-1");
        }
    }

    fn disable(&self, device: &Path) {
        for queue in self.names(device, "wq") {
            self.reset_queue(&queue, self.read(&device.join("configurable")) == "1");
        }
        if self.read(&device.join("configurable")) == "1" {
            for engine in self.names(device, "engine") {
                self.set(&engine.join("group_id"), "-1");
            }
            for group in self.names(device, "group") {
                self.set(&group.join("read_buffers_reserved"), "0");
                self.set(&group.join("use_read_buffer_limit"), "0");
                self.set(&group.join("read_buffers_allowed"), &self.read(&device.join("max_read_buffers")));
            }
        }
        self.set(&device.join("state"), "disabled");
    }

    fn enable(&self, device: &Path) -> Done {
        check(self.read(&device.join("state")) == "disabled", ENXIO)?;
        let groups = |kind: &str| -> Vec<i64> {
            let all = self.names(device, kind).into_iter().map(|part| self.number(&part.join("group_id")));
            all.filter(|group| *group >= 0).collect()
        };
        let (queues, engines) = (groups("wq"), groups("engine"));
        if queues.is_empty() {
            return self.status(device, 0x800d_0000, ENXIO);
        }
        if queues.iter().any(|group| !engines.contains(group)) {
            return self.status(device, 0x15, ENXIO);
        }
        self.set(&device.join("state"), "enabled");
        Ok(())
    }

    fn enable_queue(&self, queue: &Path, driver: &str) -> Done {
        let device = queue.parent().unwrap();
        let read = |name: &str| self.read(&queue.join(name));
        let needs = |good: bool, status: u32| {
            if good { Ok(()) } else { self.status(device, status, ENXIO) }
        };
        check(read("state") == "disabled", ENODEV)?;
        needs(self.read(&device.join("state")) == "enabled", 0x8000_0020)?;
        if driver == "user" && self.read(&device.join("pasid_enabled")) == "0" {
            return self.status(device, 0x8011_0000, EOPNOTSUPP);
        }
        if self.node().host().exists(queue.join("driver_name")) && !read("driver_name").starts_with(driver) {
            return self.status(device, 0x8020_0000, ENODEV);
        }
        needs(read("group_id") != "-1", 0x8003_0000)?;
        needs(!read("name").is_empty(), 0x8004_0000)?;
        needs(read("mode") == "dedicated" || read("threshold") != "0", 0x8006_0000)?;
        needs(read("priority") != "0" && read("size") != "0", 0x23)?;
        self.set(&queue.join("state"), "enabled");
        let link = self.node().root().join(queue.strip_prefix("/").unwrap()).join("driver");
        symlink(format!("/sys/bus/dsa/drivers/{driver}"), link)
    }

    pub(crate) fn bind(&self, bus: &str, driver: &str, file: &str, name: &str) -> Done {
        let target = format!("/sys/bus/{bus}/devices/{name}");
        let folder = self.node().host().resolve(target).map_err(|_error| errno(ENODEV))?;
        let link = self.node().root().join(folder.strip_prefix("/").unwrap()).join("driver");
        match (bus, file) {
            ("pci", "unbind") => std::fs::remove_file(link),
            ("pci", _) => {
                let only = self.read(&folder.join("driver_override"));
                let knows = driver == "idxd" && ["", "(null)"].contains(&only.as_str());
                check(knows || only == driver, ENODEV)?;
                symlink(format!("/sys/bus/pci/drivers/{driver}"), link)
            }
            (_, "unbind") if name.starts_with("wq") => {
                self.reset_queue(&folder, false);
                Ok(())
            }
            (_, "unbind") => {
                check(self.read(&folder.join("state")) == "enabled", ENODEV)?;
                self.disable(&folder);
                Ok(())
            }
            _ if name.starts_with("wq") => self.enable_queue(&folder, driver),
            _ => self.enable(&folder),
        }
    }
}
