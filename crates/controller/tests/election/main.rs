//! Replicas that elect who leads, and an API server in memory. Time is simulated: it passes when nothing is left to do.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

mod api;

use std::time::Duration;

use controller::lease::{Election, LEASE, RENEW, RETRY, identity};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use api::{Api, Line};

const NAME: &str = "d1c7b6d5.intel.com";

/// A replica that takes part. It is killed when dropped.
struct Replica {
    until: watch::Receiver<Option<Instant>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Replica {
    fn start(api: &Api, name: &'static str) -> Self {
        let mut election = Election::new(api.client(name), "system", NAME, name.to_owned());
        let until = election.until();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            tokio::select! {
                never = election.run() => match never {},
                _ = stopped => {}
            }
            election.release().await;
        });
        Self { until, stop: Some(stop), task }
    }

    fn may_write(&self) -> bool {
        self.until.borrow().is_some_and(|until| Instant::now() < until)
    }

    /// Ends it as SIGTERM does.
    async fn terminate(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        (&mut self.task).await.unwrap();
        assert!(!self.may_write());
    }

    /// How long it takes until it may write.
    async fn takes(&self) -> Duration {
        let began = Instant::now();
        while !self.may_write() {
            pass(Duration::from_millis(100)).await;
            assert!(began.elapsed() < Duration::from_mins(5), "it does not come to lead");
        }
        began.elapsed()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Lets time pass, and sees to it that never two may write.
async fn pass_with_one_leader(time: Duration, replicas: &[&Replica]) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        let leaders = replicas.iter().filter(|replica| replica.may_write()).count();
        assert!(leaders <= 1, "{leaders} lead");
        pass(Duration::from_millis(100)).await;
    }
}

fn holder(api: &Api) -> Value {
    api.lease().unwrap()["spec"]["holderIdentity"].clone()
}

#[tokio::test(start_paused = true)]
async fn the_first_leads_and_renews_and_the_second_stands_by() {
    let api = Api::default();
    let first = Replica::start(&api, "first");
    assert!(first.takes().await < RETRY);
    let lease = api.lease().unwrap();
    let spec = &lease["spec"];
    assert_eq!(spec["leaseDurationSeconds"], 15);
    assert_eq!(spec["leaseTransitions"], 0);
    for time in ["acquireTime", "renewTime"] {
        // As Go reads it: RFC 3339 with microseconds.
        let text = spec[time].as_str().unwrap();
        assert_eq!((text.len(), &text[19..20], &text[26..]), (27, ".", "Z"), "{text}");
    }
    let second = Replica::start(&api, "second");
    pass_with_one_leader(Duration::from_mins(2), &[&first, &second]).await;
    assert!(first.may_write());
    assert_eq!(holder(&api), "first");
    let after = api.lease().unwrap();
    assert_eq!(after["spec"]["acquireTime"], spec["acquireTime"]);
    assert_eq!(after["spec"]["leaseTransitions"], 0);
    // One request each 2 s, and no reading in between.
    let (reads, writes) = api.requests("first");
    assert!(reads <= 1 && (58..=63).contains(&writes), "{reads} {writes}");
    assert_eq!(api.requests("second").1, 0);
}

#[tokio::test(start_paused = true)]
async fn when_the_leader_is_killed_the_other_waits_for_the_lease_to_end() {
    let api = Api::default();
    let first = Replica::start(&api, "first");
    let second = Replica::start(&api, "second");
    first.takes().await;
    pass(Duration::from_secs(7)).await;
    let written_until = first.until.borrow().unwrap();
    drop(first);
    let took = second.takes().await;
    assert!((13..=17).contains(&took.as_secs()), "{took:?}");
    assert!(Instant::now() > written_until + Duration::from_secs(4));
    assert_eq!(holder(&api), "second");
    assert_eq!(api.lease().unwrap()["spec"]["leaseTransitions"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_ends_gives_the_lease_up_and_the_next_leads_at_its_next_attempt() {
    let api = Api::default();
    let first = Replica::start(&api, "first");
    let second = Replica::start(&api, "second");
    first.takes().await;
    pass(Duration::from_secs(7)).await;
    first.terminate().await;
    let spec = api.lease().unwrap()["spec"].clone();
    assert_eq!(spec.get("holderIdentity"), None);
    assert_eq!(spec["leaseDurationSeconds"], 1);
    assert!(second.takes().await <= RETRY);
    let spec = &api.lease().unwrap()["spec"];
    assert_eq!((&spec["holderIdentity"], &spec["leaseTransitions"]), (&json!("second"), &json!(1)));
    // Who only stood by gives nothing up.
    let third = Replica::start(&api, "third");
    pass(Duration::from_secs(3)).await;
    third.terminate().await;
    assert_eq!(holder(&api), "second");
}

#[tokio::test(start_paused = true)]
async fn without_the_api_server_the_leader_stops_before_another_may_begin_and_leads_again_when_it_is_back() {
    for line in [Line::Cut, Line::Silent] {
        let api = Api::default();
        let first = Replica::start(&api, "first");
        let second = Replica::start(&api, "second");
        first.takes().await;
        pass(Duration::from_secs(20)).await;
        api.set_line("first", line);
        let last = first.until.borrow().unwrap();
        // By the moment itself, and by the word of it to who only waits.
        pass_with_one_leader(RENEW, &[&first, &second]).await;
        assert!(!first.may_write() && Instant::now() >= last);
        assert_eq!(*first.until.borrow(), None);
        assert!(!second.may_write());
        pass_with_one_leader(Duration::from_mins(1), &[&first, &second]).await;
        assert!(second.may_write());

        // It takes up to 5 s until it gives up to wait for an answer, and it has to see that the Lease ends.
        api.set_line("second", line);
        pass_with_one_leader(Duration::from_secs(1), &[&first, &second]).await;
        drop(second);
        api.set_line("first", Line::Open);
        assert!(first.takes().await <= Duration::from_secs(5) + LEASE + RETRY);
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_failure_costs_nothing() {
    let api = Api::default();
    let first = Replica::start(&api, "first");
    first.takes().await;
    for line in [Line::Cut, Line::Silent] {
        for _ in 0..3 {
            api.set_line("first", line);
            pass(Duration::from_secs(4)).await;
            api.set_line("first", Line::Open);
            for _ in 0..100 {
                pass(Duration::from_millis(100)).await;
                assert!(first.may_write(), "{line:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_to_write_counts_from_when_a_renewal_was_sent_and_not_from_its_late_answer() {
    let api = Api::default();
    api.put(NAME, &Value::Null);
    let mut replica = Replica::start(&api, "replica");
    api.set_line("replica", Line::Slow);
    // To read the Lease takes 3 s of these, and to write it the others.
    for late in [6, 3, 3, 3] {
        replica.until.changed().await.unwrap();
        let left = replica.until.borrow_and_update().unwrap() - Instant::now();
        assert_eq!(left.as_millis().div_ceil(1000), 10 - late);
    }
}

#[tokio::test(start_paused = true)]
async fn times_that_others_write_are_not_believed() {
    for time in ["1999-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"] {
        let api = Api::default();
        let spec = json!({"holderIdentity": "go", "leaseDurationSeconds": 15, "leaseTransitions": 4, "acquireTime": time, "renewTime": time});
        api.put(NAME, &spec);
        let replica = Replica::start(&api, "replica");
        // As long as it is renewed, it holds, whatever it says the time is.
        for transitions in 5..25 {
            pass(Duration::from_secs(10)).await;
            assert!(!replica.may_write());
            let mut renewed = spec.clone();
            renewed["leaseTransitions"] = json!(transitions);
            api.put(NAME, &renewed);
        }
        let took = replica.takes().await;
        assert!((13..=17).contains(&took.as_secs()), "{took:?}");
        assert_eq!(api.lease().unwrap()["spec"]["leaseTransitions"], 25);
    }
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_asks_for_more_time_has_it_and_one_that_says_nothing_has_the_usual() {
    for (duration, expected) in [(json!(40), 40), (json!(0), 15), (json!(-5), 15), (Value::Null, 15)] {
        let api = Api::default();
        api.put(NAME, &json!({"holderIdentity": "go", "leaseDurationSeconds": duration}));
        let replica = Replica::start(&api, "replica");
        let took = replica.takes().await.as_secs();
        assert!((expected..=expected + 2).contains(&took), "{duration}: {took}");
    }
    for free in [json!({}), json!({"holderIdentity": "", "leaseDurationSeconds": 1}), Value::Null] {
        let api = Api::default();
        api.put(NAME, &free);
        let replica = Replica::start(&api, "replica");
        assert!(replica.takes().await < RETRY, "{free}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_that_begin_at_once_one_leads() {
    let api = Api::default();
    let names = ["a", "b", "c", "d", "e"];
    let replicas: Vec<Replica> = names.iter().map(|name| Replica::start(&api, name)).collect();
    let all: Vec<&Replica> = replicas.iter().collect();
    pass_with_one_leader(Duration::from_mins(1), &all).await;
    assert_eq!(all.iter().filter(|replica| replica.may_write()).count(), 1);
    assert!(api.conflicts() > 0);
    // And of those that all see its end.
    let leader = replicas.iter().position(Replica::may_write).unwrap();
    let mut replicas = replicas;
    drop(replicas.remove(leader));
    let all: Vec<&Replica> = replicas.iter().collect();
    pass_with_one_leader(Duration::from_mins(1), &all).await;
    assert_eq!(all.iter().filter(|replica| replica.may_write()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_another_has_taken_or_an_admin_deleted_is_noticed_at_the_next_renewal() {
    let api = Api::default();
    let replica = Replica::start(&api, "replica");
    replica.takes().await;
    api.put(NAME, &json!({"holderIdentity": "other", "leaseDurationSeconds": 15}));
    pass(RETRY + Duration::from_millis(100)).await;
    assert!(!replica.may_write());
    replica.takes().await;
    // What others put into it stays.
    api.put(NAME, &json!({"holderIdentity": "replica", "leaseDurationSeconds": 15, "strategy": "OldestEmulationVersion"}));
    pass(Duration::from_secs(10)).await;
    assert!(replica.may_write());
    assert_eq!(api.lease().unwrap()["spec"]["strategy"], "OldestEmulationVersion");
    api.delete(NAME);
    pass(Duration::from_secs(10)).await;
    assert!(replica.may_write());
    assert_eq!(holder(&api), "replica");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_answer_got_lost_is_not_taken_for_anothers() {
    let api = Api::default();
    let replica = Replica::start(&api, "replica");
    replica.takes().await;
    pass(Duration::from_secs(5)).await;
    api.set_line("replica", Line::Deaf);
    pass(Duration::from_secs(3)).await;
    api.set_line("replica", Line::Open);
    for _ in 0..100 {
        pass(Duration::from_millis(100)).await;
        assert!(replica.may_write());
    }
    assert_eq!(api.lease().unwrap()["spec"]["leaseTransitions"], 0);
}

#[test]
fn no_two_identities_are_the_same() {
    assert_ne!(identity(), identity());
}
