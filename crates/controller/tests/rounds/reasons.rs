//! Why devices are unhealthy: pods of plugins serve pages on loopback addresses. While those are asked the clock is not paused, for it
//! would jump over the wait for their answers.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use controller::Fence;
use pages::{Figures, Pages};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::fake::PODS;
use crate::offers::RED;
use crate::world::World;

const STATUS: &str = "patch exampledeviceplugins/a/status";

/// What a plugin's page says of unhealthy devices.
fn page(devices: &[(&str, &str, &str)]) -> String {
    let mut figures = Figures::default();
    figures.gauge("device_plugin_devices", "Devices.", &[("resource", RED), ("health", "Unhealthy")], 1);
    for (resource, device, reason) in devices {
        let labels = [("resource", *resource), ("device", *device), ("reason", *reason)];
        figures.gauge("device_plugin_unhealthy_device", "Why a device is unhealthy.", &labels, 1);
    }
    figures.finish()
}

/// What serves a page at 127.0.0.1, and its port.
async fn serve(page: impl Fn() -> String + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(pages::serve(listener, Pages::default().text("/metrics", page)));
    port
}

/// At 127.0.0.1 and the addresses behind it, all of one port.
async fn listeners<const COUNT: usize>() -> [TcpListener; COUNT] {
    loop {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = first.local_addr().unwrap().port();
        let mut all = vec![first];
        for last in 2..=u8::try_from(COUNT).unwrap() {
            all.extend(TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), port)).await);
        }
        // Unless somebody else has it at one of them.
        if let Ok(all) = all.try_into() {
            return all;
        }
    }
}

/// What a server does after its answer.
#[derive(Clone, Copy)]
enum Then {
    Ends,
    Hangs,
    GoesOn,
}

/// Gives all who ask the same answer.
fn answer(listener: TcpListener, answer: String, then: Then) {
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                // Who has read enough goes away.
                let _ = stream.read(&mut [0; 4096]).await;
                let mut is_there = stream.write_all(answer.as_bytes()).await.is_ok();
                match then {
                    Then::Ends => {}
                    Then::Hangs => std::future::pending().await,
                    Then::GoesOn => {
                        while is_there {
                            is_there = stream.write_all(&[b'#'; 4096]).await.is_ok();
                        }
                    }
                }
            });
        }
    });
}

impl World {
    /// A node with unhealthy devices, and the address of its plugin's pod.
    fn unhealthy(&self, node: &str, address: &str) {
        self.node(node, "8", "7");
        let pod = format!("pod-of-{node}");
        self.pod("a", node, &pod, "True");
        self.api.edit("kubelet", PODS, &pod, |pod| pod["status"]["podIP"] = json!(address));
    }

    fn reasons(&self) -> Vec<String> {
        let reasons = self.offers()[0]["reasons"].as_array().cloned().unwrap_or_default();
        reasons.iter().map(|reason| reason.as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the status tells these reasons and no others.
    async fn expect(&self, reasons: &[&str]) {
        self.until(|world| world.reasons() == reasons).await;
    }

    async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        let is_so = async {
            while !is_so(self) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_mins(1), is_so).await;
        assert!(waited.is_ok(), "{}", self.status("a"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_tells_what_plugins_say_of_unhealthy_devices_until_these_are_healthy() {
    let hot = "105 °C is \"too hot\"\nby \\5";
    let text =
        page(&[(RED, "card1-1", hot), (RED, "card1-0", hot), ("example.intel.com/blue", "card2", "no")]);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let port = serve(move || {
        count.fetch_add(1, Ordering::Relaxed);
        text.clone()
    })
    .await;
    let mut world = World::empty();
    world.object("a", json!({"metrics": {"port": port}}));
    world.start(Fence::open()).await;
    tokio::time::resume();

    world.api.writes();
    world.unhealthy("node-2", "127.0.0.1");
    let told =
        ["node-2 card1-0: 105 °C is \"too hot\" by \\5", "node-2 card1-1: 105 °C is \"too hot\" by \\5"];
    world.expect(&told).await;
    // The pod's node, its devices and the reasons.
    assert_eq!(world.api.writes(), [STATUS]);
    let status = &world.offers()[0];
    assert_eq!((&status["unhealthy"], &status["unhealthyNodes"]), (&json!(1), &json!(["node-2"])));

    // Another operator asks anew, and has nothing to write meanwhile or then.
    world.api.writes();
    world.replace(Fence::open());
    let before = asked.load(Ordering::Relaxed);
    world.until(|_| asked.load(Ordering::Relaxed) > before).await;
    world.pods_are("a", 1, 1, 1);
    world.until(|world| world.status("a")["numberReady"] == 1).await;
    assert_eq!(world.api.writes(), [STATUS]);
    assert_eq!(world.reasons(), told);

    world.set_healthy("node-2", "8");
    world.until(|world| world.offers()[0]["unhealthy"] == 0).await;
    assert_eq!(world.offers()[0]["reasons"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_cannot_be_had_takes_nothing_from_others() {
    let good = page(&[(RED, "card1", "too hot")]);
    let head = "HTTP/1.1 200 OK\r\n";
    let [well, hangs, endless, large, elsewhere, other] = listeners().await;
    let port = well.local_addr().unwrap().port();
    answer(well, format!("{head}\r\n{good}"), Then::Ends);
    answer(hangs, format!("{head}content-length: 1000\r\n\r\n{good}"), Then::Hangs);
    answer(endless, format!("{head}\r\n{good}"), Then::GoesOn);
    answer(large, format!("{head}\r\n{good}{}", "#".repeat(1 << 20)), Then::Ends);
    let location = format!("http://127.0.0.1:{port}/metrics");
    answer(elsewhere, format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\n\r\n{good}"), Then::Ends);
    answer(other, format!("220 ready\r\n\r\n{good}"), Then::Ends);

    let mut world = World::empty();
    world.object("a", json!({"metrics": {"port": port}}));
    world.start(Fence::open()).await;
    tokio::time::resume();
    // Nobody is at 127.0.0.7.
    for last in 1..=7 {
        world.unhealthy(&format!("node-{last}"), &format!("127.0.0.{last}"));
    }
    world.unhealthy("node-8", "nonsense");
    world.unhealthy("node-9", "127.0.0.1");
    world.expect(&["node-1 card1: too hot", "node-9 card1: too hot"]).await;
    assert_eq!(world.offers()[0]["unhealthyNodes"].as_array().unwrap().len(), 9);
    assert_eq!(world.condition("a", "Degraded"), "False AsExpected");
}

#[tokio::test(start_paused = true)]
async fn plugins_with_pages_are_asked_again_each_minute_while_devices_are_unhealthy() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let asked = || asked.swap(0, Ordering::Relaxed);
    let mut world = World::with_object(json!({})).await;
    world.unhealthy("node-1", "127.0.0.1");
    world.pass(600).await;
    assert_eq!(asked(), 0, "without metrics");

    world.edit("a", |spec| spec["metrics"] = json!({"port": port}));
    world.settle().await;
    asked();
    world.is_steady().await;
    world.pass(600).await;
    let minutes = asked();
    assert!((20..=22).contains(&minutes), "{minutes} times in 20 minutes and some seconds");

    // Another number of unhealthy devices, another node.
    world.set_healthy("node-1", "6");
    world.settle().await;
    assert!((1..=2).contains(&asked()));
    world.unhealthy("node-2", "127.0.0.1");
    world.settle().await;
    assert!((2..=4).contains(&asked()));

    world.set_healthy("node-1", "8");
    world.set_healthy("node-2", "8");
    world.settle().await;
    asked();
    world.pass(600).await;
    assert_eq!(asked(), 0);
}
