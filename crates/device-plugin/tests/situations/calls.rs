//! The kubelet asks, and the plugin hangs in a driver or has a bug.

use std::sync::Arc;
use std::time::Duration;

use device_plugin::Capabilities;
use device_plugin::metrics::render;
use simulator::kubelet::PodRequest;
use tokio::task::JoinHandle;
use tokio::time::advance;
use tonic::Code;

use super::colors::Controls;
use super::world::{INK, PAINT, World, known, until};

/// Of the threads of a plugin one is discovery's, and one is for what the plugin watches itself.
const AT_ONCE: usize = device_plugin::MAX_BLOCKING_THREADS - 2;

/// Calls hang until this is dropped, also when a test fails: their threads would keep the test from ending.
struct Hanging(Arc<Controls>);

impl Hanging {
    fn begin(world: &World) -> Self {
        world.controls.script(|script| script.calls_hang = true);
        Self(Arc::clone(&world.controls))
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.script(|script| script.calls_hang = false);
    }
}

fn calls(world: &World) -> usize {
    world.controls.script(|script| script.calls)
}

/// On the real clock: the paused one stands still while a thread is at work.
#[tokio::test]
async fn a_call_that_hangs_stops_neither_lists_nor_registrations() {
    for is_allocation in [true, false] {
        let world = World::with([("red", ""), ("blue", "resource ink")]);
        let (kubelet, _plugin) = world.running().await;
        let hanging = Hanging::begin(&world);
        let mut answers = Vec::new();
        for _ in 0..AT_ONCE {
            let client = world.connect(PAINT).await;
            answers.push(tokio::spawn(async move {
                if is_allocation {
                    client.allocate(["red"]).await.map(drop)
                } else {
                    client.prefer(["red"], ["red"], 1).await.map(drop)
                }
            }));
        }
        until("all hang", || calls(&world) == AT_ONCE).await;
        world.set("green", "");
        world.set("blue", "resource ink\nunits 3");
        world.agrees(&kubelet).await;
        kubelet.restart().await.unwrap();
        kubelet
            .wait_until(|state| state.allocatable(PAINT) == 2 && state.allocatable(INK) == 3)
            .await
            .unwrap();
        drop(hanging);
        for answer in answers {
            // Their connections may have ended with the kubelet before this one.
            let _ = answer.await.unwrap();
        }
        world.connect(PAINT).await.allocate(["red"]).await.unwrap();
    }
}

/// The kubelet itself waits for ever. All that hangs in one plugin takes so many threads and no more.
#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_is_an_error_in_the_end() {
    let world = World::with([("red", "")]);
    let (_kubelet, plugin) = world.running().await;
    let hanging = Hanging::begin(&world);
    let mut answers = Vec::new();
    for _ in 0..6 {
        let client = world.connect(PAINT).await;
        answers.push(tokio::spawn(async move { client.allocate(["red"]).await }));
    }
    while calls(&world) < AT_ONCE {
        tokio::task::yield_now().await;
    }
    // Some may only just have been asked.
    while !answers.iter().all(JoinHandle::is_finished) {
        advance(Duration::from_secs(1)).await;
    }
    for answer in answers {
        let status = answer.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert!(status.message().starts_with("the hardware did not answer within 10s"), "{status}");
    }
    let page = render([&*plugin.status], |_| {});
    let refused =
        "device_plugin_allocations_total{resource=\"color.example.com/paint\",result=\"refused\"} 6";
    assert!(page.contains(refused), "{page}");
    assert_eq!(calls(&world), AT_ONCE, "nobody waits for the others any more");
    drop(hanging);
    world.connect(PAINT).await.allocate(["red"]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_bug_in_a_call_is_an_error_of_that_call() {
    let world = World::with([("red", "")]);
    world.controls.script(|script| script.capabilities = Capabilities { pre_starts: false, prefers: true });
    let (kubelet, plugin) = world.running().await;
    world.controls.script(|script| script.calls_panic = true);
    let looks = world.controls.script(|script| script.discoveries);
    let client = world.connect(PAINT).await;
    let allocation = client.allocate(["red"]).await.unwrap_err();
    assert_eq!(allocation.code(), Code::Internal);
    assert!(allocation.message().starts_with("allocating devices broke off: "), "{allocation}");
    world.looks_again(looks).await;
    let choice = client.prefer(["red"], ["red"], 1).await.unwrap_err();
    assert!(choice.message().starts_with("choosing devices broke off: "), "{choice}");
    kubelet.admit(&PodRequest::of("pod", PAINT, 1)).await.unwrap_err();

    world.controls.script(|script| script.calls_panic = false);
    kubelet.admit(&PodRequest::of("pod2", PAINT, 1)).await.unwrap();
    assert_eq!(known(&kubelet, PAINT).registrations, 1);
    assert_eq!(plugin.status.not_ready(), None);
}
