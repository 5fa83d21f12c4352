#![no_main]
#![allow(dead_code)]

use std::cell::LazyCell;

use fuzz::Place;
use libfuzzer_sys::fuzz_target;

#[path = "../../node/src/top"]
mod top {
    use std::collections::BTreeSet;

    use host::Host;

    mod drm;

    /// The processes' programs at one moment.
    pub(crate) struct Sample(drm::Sample);

    impl Sample {
        pub(crate) fn take(host: &Host) -> Self {
            Self(drm::Sample::take(host))
        }

        pub(crate) fn pods(&self) -> &BTreeSet<String> {
            &self.0.pods
        }

        /// The busiest engine's share in percent, and bytes of memory.
        pub(crate) fn usage(
            &self,
            before: &Self,
            function: &str,
            pods: &[String],
        ) -> Option<(Option<f64>, u64)> {
            let usage = self.0.usage(&before.0, function, pods)?;
            Some((usage.busy.map(|(share, _)| share), usage.memory))
        }
    }
}

use top::Sample;

const UID: &str = "0f3c5e0e-6c2f-4a36-9f0c-0d9a6b1c2d3e";

thread_local! {
    static PLACE: LazyCell<Place> = const { LazyCell::new(|| {
        let place = Place::new("fdinfo");
        for folder in ["proc/17/fd", "proc/17/fdinfo"] {
            place.make(folder);
        }
        for (file, device) in [("3", "/dev/dri/renderD128"), ("4", "/dev/accel/accel0")] {
            std::os::unix::fs::symlink(device, place.folder.join("proc/17/fd").join(file)).expect("a link");
        }
        place
    })};
}

// What the kernel tells of two open files of a process, and later of the same two, after zero bytes; and then its control groups.
fuzz_target!(|text: &str| {
    let parts: Vec<&str> = text.split('\0').collect();
    let part = |number: usize| parts.get(number).copied().unwrap_or_default();
    PLACE.with(|place| {
        let write = |name: &str, text: &str| place.write(&format!("proc/17/{name}"), text);
        let take = |first: &str, second: &str| {
            write("fdinfo/3", first);
            write("fdinfo/4", second);
            Sample::take(&place.host)
        };
        write("cgroup", part(4));
        for pod in Sample::take(&place.host).pods() {
            assert!(pod.len() >= 32 && pod.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'), "{pod:?}");
        }
        write("cgroup", &format!("0::/kubepods.slice/kubepods-pod{}.slice/a", UID.replace('-', "_")));
        let pods = [UID.to_owned()];
        let before = take(part(0), part(1));
        let after = take(part(2), part(3));
        // What is not about the device, or not known, says nothing.
        let more = |text: &str| format!("{text}\npos:\t0\ndrm-driver:\tother\ndrm-purgeable-gtt:\t1 KiB\n");
        let remarked = take(&more(part(2)), &more(part(3)));
        let functions = text.lines().filter_map(|line| Some(line.split_once("drm-pdev:")?.1.trim()));
        for function in functions.chain([""]) {
            assert_eq!(after.usage(&before, function, &[]), None, "of no pod");
            let used = after.usage(&before, function, &pods);
            let memory_of = |used: Option<(Option<f64>, u64)>| used.map(|(_, memory)| memory);
            assert_eq!(memory_of(remarked.usage(&before, function, &pods)), memory_of(used));
            let Some((busy, memory)) = used else { continue };
            assert!(busy.is_none_or(|share| (0.0..=100.0).contains(&share)), "{busy:?}");
            let idle = after.usage(&after, function, &pods).expect("it was there");
            assert!(idle.0.is_none_or(|share| share == 0.0) && idle.1 == memory, "{idle:?}");
        }
    });
});
