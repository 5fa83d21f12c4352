//! Keys are in the Secret and in memory, and nowhere else.

use std::time::Duration;

use certificates::Lifetimes;
use k8s_openapi::ByteString;
use serde_json::Value;

use crate::fake::{Line, SECRETS};
use crate::logs::Logs;
use crate::replica::{SECRET, world};

/// The lines of the keys in a Secret, as PEM and as the API shows them.
fn secrets(secret: &Value) -> Vec<String> {
    let encoded = secret["data"]["ca.key"].as_str().unwrap().to_owned();
    let ByteString(pem) = serde_json::from_value(secret["data"]["ca.key"].clone()).unwrap();
    let pem = String::from_utf8(pem).unwrap();
    // 30 characters of each, so that a part of a line is found too.
    let lines = pem.lines().filter(|line| !line.starts_with('-')).chain([encoded.as_str()]);
    let parts: Vec<_> = lines.map(|line| line.chars().skip(40).take(20).collect::<String>()).collect();
    parts.into_iter().filter(|part| part.len() == 20).collect()
}

#[tokio::test(start_paused = true)]
async fn no_key_is_logged_by_us_or_the_client_whatever_goes_wrong() {
    let logs = Logs::start();
    let world = world();
    let lifetimes = Lifetimes::new(Duration::from_hours(1), Duration::from_mins(15)).unwrap();
    let mut replica = world.replica_with("a", lifetimes, 0);
    replica.ready().await;
    let secret = world.api.get(SECRETS, SECRET).unwrap();
    let mut keys = secrets(&secret);
    assert!(keys.len() >= 3, "{keys:?}");

    // Cut off in the middle; of another shape; a key in a wrong place.
    let text = secret.to_string();
    let shape = text.replace("\"Opaque\"", &format!("{{\"of\": {text}}}"));
    for answer in
        [text[..text.len() - 3].to_owned(), shape, format!("[{text}]"), secret["data"]["ca.key"].to_string()]
    {
        world.api.garble(Some(answer));
        tokio::time::sleep(Duration::from_mins(2)).await;
        assert!(logs.count(tracing::Level::WARN, "the answer is no Secret") > 0);
    }
    world.api.garble(None);

    let mut broken = secret.clone();
    broken["data"]["ca.crt"] = secret["data"]["ca.key"].clone();
    world.api.put(SECRETS, SECRET, broken);
    world.settle().await;
    keys.extend(secrets(&world.api.get(SECRETS, SECRET).unwrap()));

    world.api.set_line("a", Line::Cut);
    tokio::time::sleep(Duration::from_mins(5)).await;
    world.api.set_line("a", Line::Open);
    world.api.deny(&["update secrets", "create secrets"]);
    world.api.delete(SECRETS, SECRET);
    world.settle().await;
    assert!(logs.count(tracing::Level::WARN, "not allowed to create secrets") > 0);

    let all = logs.all();
    for key in keys {
        assert!(!all.contains(&key), "a key is in the logs");
    }
}
