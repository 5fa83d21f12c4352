//! Exporters that are missing, slow or lying.

use gpu_xelink::MAX_FAILURES;
use tokio::net::TcpListener;

use crate::fake::{Answer, Scene, exporter, hangs, link, metrics, says};

const GOOD: &str = "gpu.intel.com/xe-links=0.0-1.0\n";
const NONE: &str = "gpu.intel.com/xe-links=\n";

/// Why the answer is no metrics.
async fn error_of(answer: Answer) -> String {
    let patience = answer.patience();
    let fake = exporter([answer]).await;
    let mut exporter = Scene::new(fake.port, &[]).sidecar.exporter;
    exporter.patience = patience.unwrap_or(exporter.patience);
    let error = exporter.metrics().await.unwrap_err();
    device_plugin::error_chain(&error).replace(&fake.port.to_string(), "PORT")
}

#[tokio::test]
async fn errors_say_who_was_asked_and_what_went_wrong() {
    let slow = "http://127.0.0.1:PORT/metrics did not answer within 100ms";
    let cut = "cannot read what is said by http://127.0.0.1:PORT/metrics: ";
    let ask = "cannot ask http://127.0.0.1:PORT/metrics: ";
    let long = format!("HTTP/1.1 200 OK\r\n\r\n{}", "a 1\n".repeat((4 << 20) / 4 + 1));
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    for (answer, expected) in [
        (hangs(""), slow),
        (hangs("HTTP/1.1 200 OK\r\n"), slow),
        (hangs(head), slow),
        (hangs(format!("{head}{}", link(0, 1))), slow),
        (says(format!("{head}{}", link(0, 1))), cut),
        (says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\na 1\n"), cut),
        (says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\na 1\n"), cut),
        (says(long), cut),
        (says(""), ask),
        (says("nonsense\r\n\r\n"), ask),
        (says("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), ask),
        (says("\x15\x03\x01\x00\x02\x02\x46"), ask),
        (
            says("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\na 1\n"),
            "http://127.0.0.1:PORT/metrics answers 500 Internal Server Error",
        ),
        (
            says("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/metrics\r\nContent-Length: 0\r\n\r\n"),
            "http://127.0.0.1:PORT/metrics answers 302 Found",
        ),
        (says("HTTP/1.1 204 No Content\r\n\r\n"), "http://127.0.0.1:PORT/metrics answers 204 No Content"),
    ] {
        let error = error_of(answer).await;
        assert!(error.starts_with(expected), "{expected}: {error}");
    }
}

/// Six looks after a good one, and a good one again.
async fn outlived(bad: Answer) {
    let mut answers = vec![metrics(&link(0, 1))];
    answers.extend(vec![bad.clone(); MAX_FAILURES as usize]);
    answers.push(metrics(&link(0, 2)));
    let fake = exporter(answers).await;
    let mut scene = Scene::new(fake.port, &[]);
    scene.sidecar.look().await;
    for failures in 1..MAX_FAILURES {
        scene.look_at(&bad).await;
        assert_eq!(scene.labels(), GOOD, "after {failures}");
    }
    scene.look_at(&bad).await;
    assert_eq!(scene.labels(), NONE);
    scene.sidecar.look().await;
    assert_eq!(scene.labels(), "gpu.intel.com/xe-links=0.0-2.0\n");
}

#[tokio::test]
async fn the_last_good_labels_stay_for_a_while_and_come_back() {
    for bad in [
        hangs(""),
        says(""),
        metrics(""),
        metrics("<html>\n<body>Welcome</body>\n</html>\n"),
        metrics("xpum_some_other_data{with_some_label]]]]}"),
        metrics("\u{0}\u{1}\u{2}"),
        // It has the metrics of a link in its answer.
        says(format!("HTTP/1.1 500 Internal Server Error\r\n\r\n{}", link(0, 9))),
        says(format!("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{}", link(0, 9))),
    ] {
        outlived(bad).await;
    }
}

#[tokio::test]
async fn failures_count_only_in_a_row() {
    let failures = vec![says(""); MAX_FAILURES as usize - 1];
    let good = vec![metrics(&link(0, 1))];
    let fake = exporter([&good[..], &failures, &good, &failures, &good].concat()).await;
    let mut scene = Scene::new(fake.port, &[]);
    for look in 1..=2 * MAX_FAILURES {
        scene.sidecar.look().await;
        assert_eq!(scene.labels(), GOOD, "look {look}");
    }
}

#[tokio::test]
async fn an_exporter_that_was_never_there_is_no_links_after_a_while() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut scene = Scene::new(port, &[]);
    for _ in 1..MAX_FAILURES {
        scene.sidecar.look().await;
        assert_eq!(scene.labels(), "");
    }
    scene.sidecar.look().await;
    assert_eq!(scene.labels(), NONE);
    let error = scene.sidecar.exporter.metrics().await.unwrap_err();
    let error = device_plugin::error_chain(&error);
    assert!(error.starts_with(&format!("cannot connect to http://127.0.0.1:{port}/metrics: ")), "{error}");
}

#[tokio::test]
async fn lines_that_are_no_metrics_do_not_hide_the_others() {
    let text = format!("<html>\nxpum_topology_link{{local_device_id=\"0\n\u{0}\n{}\nx{{ 1", link(0, 1));
    let fake = exporter([metrics(&text)]).await;
    let mut scene = Scene::new(fake.port, &[]);
    scene.sidecar.look().await;
    assert_eq!(scene.labels(), GOOD);
}

/// As many links, with as long numbers, as there may be: they are more than a file of labels may have.
#[tokio::test]
async fn more_links_than_a_file_may_have_leave_the_labels_as_they_are() {
    let mut text = link(0, 1);
    for number in 0..4000 {
        let sample = link(number, 4_000_000_000);
        text += "\n";
        text += sample.lines().last().unwrap();
    }
    let fake = exporter([metrics(&link(0, 1)), metrics(&text)]).await;
    let mut scene = Scene::new(fake.port, &[]);
    scene.sidecar.look().await;
    scene.sidecar.look().await;
    assert_eq!(scene.labels(), GOOD);
}
