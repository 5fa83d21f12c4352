//! The pages, as a probe and as Prometheus see them.

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pages::{Figures, Histogram, Pages};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    #[test]
    fn figures_are_grouped_by_metric_with_labels_escaped() {
        let mut durations = Histogram::default();
        for micros in [50, 150, 3_000, 1_000_000] {
            durations.observe(Duration::from_micros(micros));
        }
        let mut figures = Figures::default();
        figures.gauge("warm", "How warm it is.", &[], 2.5);
        figures.counter("asked_total", "Questions.", &[("who", "a \"b\"\\\nc")], 1);
        figures.gauge("warm", "How warm it is.", &[("room", "x"), ("floor", "1")], 3);
        figures.histogram("took_seconds", "How long.", &[("who", "a")], &durations);
        let expected = "\
# HELP asked_total Questions.
# TYPE asked_total counter
asked_total{who=\"a \\\"b\\\"\\\\\\nc\"} 1
# HELP took_seconds How long.
# TYPE took_seconds histogram
took_seconds_bucket{who=\"a\",le=\"0.0001\"} 1
took_seconds_bucket{who=\"a\",le=\"0.0002\"} 2
took_seconds_bucket{who=\"a\",le=\"0.0005\"} 2
took_seconds_bucket{who=\"a\",le=\"0.001\"} 2
took_seconds_bucket{who=\"a\",le=\"0.002\"} 2
took_seconds_bucket{who=\"a\",le=\"0.005\"} 3
took_seconds_bucket{who=\"a\",le=\"0.01\"} 3
took_seconds_bucket{who=\"a\",le=\"0.02\"} 3
took_seconds_bucket{who=\"a\",le=\"0.05\"} 3
took_seconds_bucket{who=\"a\",le=\"0.1\"} 3
took_seconds_bucket{who=\"a\",le=\"0.2\"} 3
took_seconds_bucket{who=\"a\",le=\"0.5\"} 3
took_seconds_bucket{who=\"a\",le=\"1\"} 4
took_seconds_bucket{who=\"a\",le=\"+Inf\"} 4
took_seconds_sum{who=\"a\"} 1.0032
took_seconds_count{who=\"a\"} 4
# HELP warm How warm it is.
# TYPE warm gauge
warm 2.5
warm{room=\"x\",floor=\"1\"} 3
";
        assert_eq!(figures.finish(), expected);
    }

    #[tokio::test]
    async fn each_address_has_its_own_pages_and_a_verdict_names_each_complaint() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pages = Pages::default()
            .verdict("/healthz", Vec::new)
            .verdict("/readyz", || vec!["no certificate yet".to_owned(), "no list yet".to_owned()]);
        tokio::spawn(pages::serve(listener, pages));
        for (path, status, text) in [
            ("/healthz", "200", "\r\n\r\nok\n"),
            ("/readyz", "503", "\r\n\r\nno certificate yet\nno list yet\n"),
            ("/metrics", "404", "\r\n\r\nthere are /healthz, /readyz\n"),
        ] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
            assert!(answer.ends_with(text), "{answer}");
        }
    }
}
