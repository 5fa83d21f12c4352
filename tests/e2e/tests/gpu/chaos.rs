//! What befalls the kubelet and the plugin's sockets, again and again. The same with the embedded kubelet, which does much more
//! of it: `tests/chaos`.

use std::fs;
use std::time::Duration;

use e2e::{Cluster, Kubernetes, healthy, pod};

use super::{
    DOMAIN, I915, PLUGIN, THIRD_GPU, XE, cluster, container, is_there, name_of, state, unplug_what_was_added,
};

/// GPUs that come and go, all of xe. The node's own two stay.
const MORE: [(&str, &str); 3] = [
    ("card2", THIRD_GPU),
    ("card3", "arc-b580 as=card3 at=pci0000:00 pci=0000:00:0b.0 card=3 render=131 bus=4352 mei=3"),
    ("card4", "arc-b580 as=card4 at=pci0000:00 pci=0000:00:0c.0 card=4 render=132 bus=4608 mei=4"),
];
/// More than that in the long run is a leak. The same for the embedded kubelet.
const MORE_MEMORY_KIB: u64 = 2048;

/// `E2E_CHAOS_ROUNDS` says how many rounds; in eight of ten the kubelet restarts. 1,250 take an hour, and in the first of a hundred
/// or more the kubelet stands still for a minute.
#[test]
fn the_node_is_right_whatever_befalls_the_kubelet_and_the_sockets() {
    let Some((cluster, kubernetes)) = cluster() else { return };
    let plugin = kubernetes.pods_of(PLUGIN).remove(0);
    let rounds = std::env::var("E2E_CHAOS_ROUNDS").map_or(6, |rounds| rounds.parse().unwrap());
    let memory = || cluster.resident_kib("intel_gpu_device_plugin");
    let mut random = fastrand::Rng::with_seed(rounds);
    let mut changes = 0;
    let mut after_a_tenth = 0;
    for round in 0..rounds {
        // Tells also how long to wait before the next.
        let mut perhaps_change = || {
            if random.bool() {
                change(&cluster, random.choice(MORE).unwrap());
                changes += 1;
            }
            Duration::from_millis(random.u64(..1000))
        };
        match round % 10 {
            0 => {
                cluster.stand_still("kubelet");
                perhaps_change();
                // As long as that, and not for anything to happen.
                std::thread::sleep(Duration::from_secs(if round == 0 && rounds >= 100 { 60 } else { 5 }));
                perhaps_change();
                cluster.go_on("kubelet");
            }
            1 => {
                for socket in ["gpu.intel.com-i915.sock", "gpu.intel.com-xe.sock"] {
                    fs::remove_file(cluster.file("/var/lib/kubelet/device-plugins").join(socket)).unwrap();
                }
                perhaps_change();
                // Until the node's status is from after that.
                std::thread::sleep(Duration::from_secs(3));
            }
            _ => {
                perhaps_change();
                cluster.stop("kubelet");
                perhaps_change();
                cluster.start_again("kubelet");
                std::thread::sleep(perhaps_change());
                perhaps_change();
                kubernetes.wait_for_kubelet(&name_of(&plugin), || state(&cluster));
            }
        }
        let there = wait_for_what_is_there(&cluster, &kubernetes);
        eprintln!("round {} of {rounds}: {there:?}, {} KiB of memory", round + 1, memory());
        // Whether the kubelet asks the plugin, and for which, is seen only then.
        if [1, 5].contains(&(round % 10)) {
            let count = u32::try_from(there.len()).unwrap();
            kubernetes
                .run(&pod("all-xe", &[(XE, count)], "cd /dev/dri; echo card*; echo end"), || state(&cluster));
            assert_eq!(kubernetes.output("all-xe").trim(), there.join(" "));
            kubernetes.delete("all-xe");
        }
        if round == rounds / 10 {
            after_a_tenth = memory();
        }
    }
    let after = memory();
    println!(
        "{rounds} rounds, {changes} changes of devices: {after_a_tenth} KiB after a tenth, {after} KiB at the end"
    );
    assert!(
        after <= after_a_tenth + MORE_MEMORY_KIB,
        "{after_a_tenth} KiB after a tenth of the rounds, now {after}"
    );

    unplug_what_was_added(&cluster);
    assert_eq!(wait_for_what_is_there(&cluster, &kubernetes), ["card1"]);
    let now = kubernetes.pods_of(PLUGIN).remove(0);
    assert_eq!(container(&now).restart_count, container(&plugin).restart_count, "the plugin survives it all");
}

/// Plugs it in, or out.
fn change(cluster: &Cluster, (device, words): (&str, &str)) {
    let is_there = is_there(cluster, device);
    let mut node = cluster.node();
    if is_there { node.remove(device).unwrap() } else { node.add(words).unwrap() }
}

/// Waits until the API server has as many GPUs for the node as it has. Returns those of xe.
fn wait_for_what_is_there(cluster: &Cluster, kubernetes: &Kubernetes) -> Vec<String> {
    let xe: Vec<String> =
        cluster.node().devices().filter(|name| *name != "card0").map(str::to_owned).collect();
    let count = i64::try_from(xe.len()).unwrap();
    kubernetes.wait_for_resources(DOMAIN, &healthy(&[(I915, 1), (XE, count)]), || state(cluster));
    xe
}
