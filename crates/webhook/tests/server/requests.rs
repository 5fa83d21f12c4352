//! Requests, right and wrong.

use http_body_util::Full;
use std::cell::RefCell;

use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};
use proptest::collection::vec;
use proptest::prelude::*;

use super::world::{NAME, PODS, World, assert_labelled, post, review};

#[tokio::test]
async fn what_is_no_review_for_a_webhook_is_answered_with_a_status_that_says_why() {
    let world = World::start(false).await;
    let cases = [
        ("another path", Method::POST, "/", "application/json", review("a"), 404),
        ("a path below", Method::POST, "/pods/", "application/json", review("a"), 404),
        ("another method", Method::PUT, PODS, "application/json", review("a"), 405),
        ("a look", Method::GET, PODS, "application/json", String::new(), 405),
        ("another type", Method::POST, PODS, "application/yaml", review("a"), 415),
        ("a type that begins alike", Method::POST, PODS, "application/json-patch+json", review("a"), 415),
        ("nothing", Method::POST, PODS, "application/json", String::new(), 400),
        ("no JSON", Method::POST, PODS, "application/json", "{".to_owned(), 400),
        ("no review", Method::POST, PODS, "application/json", "{}".to_owned(), 400),
        ("a panic", Method::POST, PODS, "application/json", review("panic"), 500),
    ];
    let mut http = world.http().await;
    for (case, method, path, kind, body, status) in cases {
        let request = Request::builder().method(method).uri(path).header("host", NAME);
        let request = request.header(CONTENT_TYPE, kind).body(Full::from(body)).unwrap();
        let (got, text) = http.send(request).await;
        assert_eq!(got.as_u16(), status, "{case}: {text}");
        assert!(text.len() > 5 && text.ends_with('\n'), "{case}: {text:?}");
    }
    assert_labelled(&http.send(post(review("a"))).await);
    world.stop().await;
}

#[tokio::test]
async fn figures_tell_what_became_of_requests() {
    let world = World::start(false).await;
    let mut http = world.http().await;
    for name in ["a", "b", "plain", "bad", "panic"] {
        http.send(post(review(name))).await;
    }
    http.send(post("{}")).await;
    let page = world.page();
    for (outcome, count) in
        [("patched", 2), ("unchanged", 1), ("refused", 1), ("error", 1), ("bad_request", 1)]
    {
        let line = format!("webhook_requests_total{{webhook=\"pods\",outcome=\"{outcome}\"}} {count}\n");
        assert!(page.contains(&line), "{line} is not in\n{page}");
    }
    for line in ["webhook_request_seconds_count{webhook=\"pods\"} 6\n", "webhook_connections 1\n"] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
    world.stop().await;
}

#[test]
fn any_bytes_are_answered_with_a_status() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (world, http) = runtime.block_on(async {
        let world = World::start(false).await;
        let http = RefCell::new(world.http().await);
        (world, http)
    });
    let review = review("a").into_bytes();
    // Bytes of any kind, and a review with some of its bytes replaced.
    let spoiled = (0..review.len(), vec(any::<u8>(), 0..8)).prop_map(move |(at, bytes)| {
        let end = review.len().min(at + bytes.len());
        [&review[..at], &bytes, &review[end..]].concat()
    });
    let bodies = prop_oneof![vec(any::<u8>(), 0..40_000), spoiled];
    proptest!(ProptestConfig::with_cases(200), |(body in bodies)| {
        let (status, text) = runtime.block_on(http.borrow_mut().send(post(body)));
        prop_assert!(status == 200 || status == 400, "{status}: {text}");
    });
    runtime.block_on(world.stop());
}
