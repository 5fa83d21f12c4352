//! How busy graphics cards and NPUs are, and by whom, as the kernel tells of each open file of a DRM device
//! (`Documentation/gpu/drm-usage-stats.rst`, in `/proc/PID/fdinfo`).

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind::PermissionDenied;
use std::time::Instant;

use host::Host;

/// As many processes are looked at, and so many open files of each.
const MOST: usize = 100_000;

/// All clients of DRM devices at one moment.
#[derive(Debug)]
pub(super) struct Sample {
    at: Instant,
    /// By the PCI function and the client's number there: a client that several files or processes share is one.
    clients: BTreeMap<(String, u64), Client>,
    /// The UIDs of pods that have processes.
    pub(super) pods: BTreeSet<String>,
    /// Processes that could not be looked into.
    pub(super) hidden: usize,
}

/// What the kernel tells of one client.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Client {
    /// The UID of the pod that the process is of.
    pod: Option<String>,
    engines: BTreeMap<String, Engine>,
    /// Bytes in the device's own memory; in the machine's where it has none.
    memory: u64,
}

/// Since the client began.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Engine {
    /// Nanoseconds, or cycles.
    busy: u64,
    /// The cycles that there were; `None` where nanoseconds count.
    cycles: Option<u64>,
    /// How many engines of this kind there are.
    capacity: u64,
}

/// How busy a device was between two samples.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Usage {
    /// Of the busiest kind of engine, and its name; nothing if no engine was asked for anything ever.
    pub(super) busy: Option<(f64, String)>,
    /// Bytes.
    pub(super) memory: u64,
}

impl Sample {
    pub(super) fn take(host: &Host) -> Self {
        let mut sample =
            Self { at: Instant::now(), clients: BTreeMap::new(), pods: BTreeSet::new(), hidden: 0 };
        let names = host.names("/proc").unwrap_or_default();
        let processes = names.iter().filter(|name| host::number_of(name, "").is_some());
        for process in processes.take(MOST) {
            sample.look_into(host, process);
        }
        sample
    }

    fn look_into(&mut self, host: &Host, process: &str) {
        let groups = host.read(format!("/proc/{process}/cgroup")).unwrap_or_default();
        let pod = pod_of(&groups);
        self.pods.extend(pod.clone());
        let files = match host.names(format!("/proc/{process}/fd")) {
            Ok(files) => files,
            Err(error) => {
                self.hidden += usize::from(!error.is_not_found());
                return;
            }
        };
        for file in files.iter().take(MOST) {
            let target = match host.link_target(format!("/proc/{process}/fd/{file}")) {
                Ok(target) => target,
                // Root lists the folder, but only who may trace the process (`ptrace(2)`) follows its links.
                Err(error) if error.source.kind() == PermissionDenied => {
                    self.hidden += 1;
                    return;
                }
                Err(_) => continue,
            };
            if !target.starts_with("/dev/dri") && !target.starts_with("/dev/accel") {
                continue;
            }
            let Ok(text) = host.read(format!("/proc/{process}/fdinfo/{file}")) else { continue };
            let Some((key, mut client)) = client_of(&text) else { continue };
            client.pod.clone_from(&pod);
            self.clients.entry(key).or_insert(client);
        }
    }

    /// What the pods with these UIDs did with the PCI function since `before`.
    pub(super) fn usage(&self, before: &Self, function: &str, pods: &[String]) -> Option<Usage> {
        let elapsed = self.at.duration_since(before.at).as_nanos();
        let mut memory = 0_u64;
        let mut engines: BTreeMap<&str, f64> = BTreeMap::new();
        let mut is_known = false;
        for (key, client) in &self.clients {
            if key.0 != function || !client.pod.as_ref().is_some_and(|pod| pods.contains(pod)) {
                continue;
            }
            is_known = true;
            memory = memory.saturating_add(client.memory);
            let before = before.clients.get(key).map(|client| &client.engines);
            for (name, engine) in &client.engines {
                let former = before.and_then(|engines| engines.get(name)).unwrap_or(engine);
                *engines.entry(name).or_default() += engine.share(former, elapsed);
            }
        }
        let busiest = engines.into_iter().max_by(|(_, one), (_, other)| one.total_cmp(other));
        // Rounding, and counters that are read one after the other, can give a little more.
        let busy = busiest.map(|(name, share)| ((share * 100.0).min(100.0), name.to_owned()));
        is_known.then_some(Usage { busy, memory })
    }
}

impl Engine {
    /// The part of the time that all engines of this kind were busy.
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    fn share(&self, former: &Self, elapsed: u128) -> f64 {
        let busy = self.busy.saturating_sub(former.busy) as f64;
        let all = match (self.cycles, former.cycles) {
            (Some(cycles), Some(former)) => cycles.saturating_sub(former) as f64,
            _ => elapsed as f64,
        };
        if all > 0.0 { busy / all / self.capacity.max(1) as f64 } else { 0.0 }
    }
}

/// The client that a file in `fdinfo` tells of; `None` if it is none of a PCI device.
fn client_of(text: &str) -> Option<((String, u64), Client)> {
    let mut client = Client::default();
    let (mut function, mut number) = (None, None);
    let (mut own, mut shared) = (None::<u64>, 0_u64);
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let Some(key) = key.strip_prefix("drm-") else { continue };
        let value = value.trim();
        let first = || value.split_whitespace().next()?.parse::<u64>().ok();
        let mut set = |name: &str, change: &dyn Fn(&mut Engine, u64)| {
            change(client.engines.entry(name.to_owned()).or_default(), first()?);
            Some(())
        };
        if key == "pdev" {
            function = Some(value.to_owned());
        } else if key == "client-id" {
            number = first();
        } else if let Some(name) = key.strip_prefix("engine-capacity-") {
            set(name, &|engine, number| engine.capacity = number)?;
        } else if let Some(name) = key.strip_prefix("engine-") {
            set(name, &|engine, number| engine.busy = number)?;
        } else if let Some(name) = key.strip_prefix("cycles-") {
            set(name, &|engine, number| engine.busy = number)?;
        } else if let Some(name) = key.strip_prefix("total-cycles-") {
            set(name, &|engine, number| engine.cycles = Some(number))?;
        } else if let Some(region) = key.strip_prefix("resident-") {
            let bytes = bytes(value)?;
            if region.starts_with("vram") || region.starts_with("local") {
                own = Some(own.unwrap_or_default().saturating_add(bytes));
            } else if ["system", "system0", "gtt", "memory"].contains(&region) {
                shared = shared.saturating_add(bytes);
            }
        }
    }
    client.memory = own.unwrap_or(shared);
    Some(((function?, number?), client))
}

/// `23992 KiB`, `16 MiB`, `0`.
fn bytes(value: &str) -> Option<u64> {
    let mut words = value.split_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    let unit = match words.next() {
        None => 1,
        Some("KiB") => 1024,
        Some("MiB") => 1024 * 1024,
        Some("GiB") => 1024 * 1024 * 1024,
        Some(_) => return None,
    };
    number.checked_mul(unit)
}

/// The UID of the pod in whose control group a process is: `…/kubepods-besteffort-podUID.slice/…` with underscores, as systemd
/// names groups, or `…/kubepods/besteffort/podUID/…`.
fn pod_of(groups: &str) -> Option<String> {
    let group = groups.lines().find(|line| line.contains("kubepods"))?;
    group.split('/').find_map(|part| {
        let (_, rest) = part.trim_end_matches(".slice").rsplit_once("pod")?;
        let is_uid = rest.len() >= 32 && rest.bytes().all(|b| b.is_ascii_hexdigit() || b"-_".contains(&b));
        is_uid.then(|| rest.replace('_', "-"))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const UID: &str = "0f3c5e0e-6c2f-4a36-9f0c-0d9a6b1c2d3e";

    fn i915(busy: u64) -> String {
        format!(
            "pos:\t0\nflags:\t02100002\nmnt_id:\t26\nino:\t575\ndrm-driver:\ti915\ndrm-client-id:\t7\ndrm-pdev:\t0000:00:02.0\n\
             drm-total-system0:\t9 MiB\ndrm-resident-system0:\t2048 KiB\ndrm-resident-stolen-system0:\t1 MiB\n\
             drm-engine-render:\t{busy} ns\ndrm-engine-copy:\t0 ns\ndrm-engine-video:\t{busy} ns\ndrm-engine-capacity-video:\t2\n"
        )
    }

    fn xe(cycles: u64, all: u64) -> String {
        format!(
            "drm-driver:\txe\ndrm-client-id:\t219\ndrm-pdev:\t0000:03:00.0\ndrm-resident-system:\t8 MiB\ndrm-resident-vram0:\t3 MiB\n\
             drm-resident-vram1:\t512 KiB\ndrm-cycles-rcs:\t{cycles}\ndrm-total-cycles-rcs:\t{all}\n"
        )
    }

    /// What a client did from the first text to the second, within a second.
    fn used(before: &str, after: &str, function: &str) -> Option<Usage> {
        let start = Instant::now();
        let sample = |text: &str, at| {
            let (key, client) = client_of(text).unwrap();
            let client = Client { pod: Some(UID.to_owned()), ..client };
            Sample { at, clients: BTreeMap::from([(key, client)]), pods: BTreeSet::new(), hidden: 0 }
        };
        let before = sample(before, start);
        sample(after, start + Duration::from_secs(1)).usage(&before, function, &[UID.to_owned()])
    }

    #[test]
    fn time_on_an_engine_is_a_share_of_the_time_that_passed() {
        let usage = used(&i915(1_000), &i915(250_001_000), "0000:00:02.0").unwrap();
        assert_eq!(usage, Usage { busy: Some((25.0, "render".to_owned())), memory: 2048 * 1024 });
    }

    #[test]
    fn cycles_are_a_share_of_the_cycles_that_there_were() {
        let usage = used(&xe(100, 1_000), &xe(400, 2_000), "0000:03:00.0").unwrap();
        assert_eq!(
            usage,
            Usage { busy: Some((30.0, "rcs".to_owned())), memory: 3 * 1024 * 1024 + 512 * 1024 }
        );
        assert_eq!(used(&xe(1, 2), &xe(1, 2), "0000:00:02.0"), None);
    }

    #[test]
    fn counters_that_go_back_or_that_are_too_large_are_no_trouble() {
        let usage = used(&xe(400, 2_000), &xe(100, 1_000), "0000:03:00.0").unwrap();
        assert_eq!(usage.busy, Some((0.0, "rcs".to_owned())));
        let usage = used(&xe(0, 0), &xe(u64::MAX, 1), "0000:03:00.0").unwrap();
        assert_eq!(usage.busy, Some((100.0, "rcs".to_owned())));
    }

    #[test]
    fn memory_of_two_clients_that_is_too_much_for_any_device_is_no_trouble() {
        let large = |number: u64| {
            let text = format!(
                "drm-client-id:\t{number}\ndrm-pdev:\t0000:03:00.0\ndrm-resident-vram0:\t{}\n",
                u64::MAX
            );
            let (key, client) = client_of(&text).unwrap();
            (key, Client { pod: Some(UID.to_owned()), ..client })
        };
        let sample = Sample {
            at: Instant::now(),
            clients: BTreeMap::from([large(1), large(2)]),
            pods: BTreeSet::new(),
            hidden: 0,
        };
        let usage = sample.usage(&sample, "0000:03:00.0", &[UID.to_owned()]).unwrap();
        assert_eq!(usage, Usage { busy: None, memory: u64::MAX });
    }

    #[test]
    fn what_is_no_client_is_left_out() {
        for text in [
            "",
            "pos:\t0\n",
            "drm-pdev:\t0000:00:02.0\n",
            "drm-client-id:\t7\n",
            &i915(1).replace("ns", "").replace("\t7", "\tseven"),
            &xe(1, 2).replace("512 KiB", "many KiB"),
            &xe(1, 2).replace("3 MiB", "18446744073709551615 MiB"),
        ] {
            assert_eq!(client_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_process_is_of_the_pod_whose_control_group_it_is_in() {
        let systemd = UID.replace('-', "_");
        for groups in [
            format!(
                "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{systemd}.slice/cri-containerd-1.scope"
            ),
            format!("12:devices:/kubepods/burstable/pod{UID}/abc\n0::/\n"),
            format!("0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{systemd}.slice/a"),
        ] {
            assert_eq!(pod_of(&groups).as_deref(), Some(UID), "{groups}");
        }
        for groups in [
            "",
            "0::/user.slice/pod",
            "0::/kubepods.slice/kubepods-podpod.slice",
            "0::/system.slice/podman.service",
        ] {
            assert_eq!(pod_of(groups), None, "{groups}");
        }
    }
}
