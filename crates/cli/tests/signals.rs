//! Signals to this very process: a file of its own, so that no other test shares the process.

use std::process::Command;
use std::time::Duration;

fn send(signal: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{signal} {}", std::process::id())]).status();
    assert!(status.is_ok_and(|status| status.success()));
}

#[tokio::test]
async fn a_signal_to_end_completes_the_future_even_if_it_came_before_the_wait() {
    for signal in ["TERM", "INT"] {
        let terminated = cli::signals::terminated();
        send(signal);
        tokio::time::timeout(Duration::from_secs(30), terminated).await.expect(signal);
    }
}
