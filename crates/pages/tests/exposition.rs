//! Prometheus' text format, line by line.

use pages::exposition::{Exposition, Kind, MAX_LABELS, MAX_SAMPLES, Sample, parse};
use proptest::prelude::*;

/// A sample with the name of its family: name, labels, value.
type Line = (String, Vec<(String, String)>, f64);

/// A line, and what it is.
type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)], f64);

/// The one sample that a line is, with the name of its family.
fn one(line: &str) -> Option<Line> {
    let exposition = parse(line.as_bytes());
    let count = exposition.families.values().map(|family| family.samples.len()).sum::<usize>();
    assert_eq!(count + exposition.skipped, 1, "{line}: {exposition:?}");
    let (name, family) = exposition.families.iter().next()?;
    let Sample { labels, value } = family.samples.first()?;
    let labels =
        labels.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into_owned())).collect();
    Some(((*name).to_owned(), labels, *value))
}

#[test]
fn samples_are_read_in_every_form_that_the_format_allows() {
    let cases: &[Case] = &[
        ("a 1", "a", &[], 1.0),
        ("  \ta:b_9\t -1.5e3  ", "a:b_9", &[], -1500.0),
        ("a{} 1", "a", &[], 1.0),
        ("a{b=\"c\"} 1", "a", &[("b", "c")], 1.0),
        ("a {b=\"c\"} 1", "a", &[("b", "c")], 1.0),
        ("a{b=\"c\"}1", "a", &[("b", "c")], 1.0),
        ("a{ b = \"c\" , d = \"\" , } 1", "a", &[("b", "c"), ("d", "")], 1.0),
        ("a{b=\"}, =\"} .5", "a", &[("b", "}, =")], 0.5),
        (r#"a{b="\\\"\n\\n",c="ä"} 1"#, "a", &[("b", "\\\"\n\\n"), ("c", "ä")], 1.0),
        ("a +Inf", "a", &[], f64::INFINITY),
        ("a -Inf", "a", &[], f64::NEG_INFINITY),
        ("a 1 1700000000000", "a", &[], 1.0),
        ("_ 1 -5", "_", &[], 1.0),
    ];
    for (line, name, labels, value) in cases {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(one(line), Some(((*name).to_owned(), labels, *value)), "{line}");
    }
    assert!(one("a NaN").unwrap().2.is_nan());
}

#[test]
fn lines_that_are_not_right_are_no_samples() {
    let mut lines: Vec<String> = [
        "a",
        "a ",
        "a{",
        "a{}",
        "a{} ",
        "a b",
        "a 1 b",
        "a 1 2 3",
        "a 1 1.5",
        "9a 1",
        "a-b 1",
        "ä 1",
        "{} 1",
        "a{b} 1",
        "a{b=} 1",
        "a{b=c} 1",
        "a{b=\"c} 1",
        "a{b=\"c\" 1",
        "a{b=\"c\"",
        "a{b=\"c\\",
        "a{b=\"c\\\"",
        "a{=\"c\"} 1",
        "a{9=\"c\"} 1",
        "a{b:c=\"d\"} 1",
        "a{b=\"\\t\"} 1",
        "a{,} 1",
        "a{b=\"c\",,} 1",
        "a{b=\"c\" d=\"e\"} 1",
        "a{b=\"c\",b=\"d\"} 1",
        "a{__name__=\"b\"} 1",
        "a{b=\"c\"}} 1",
        "a 0x1p3",
        "a 1_000",
        "a 1,5",
        "a 1\r",
        "a --1",
        "# TYPE a",
        "# TYPE a gauge more",
        "# TYPE a gauges",
        "# TYPE 9 gauge",
        "xpum_some_other_data{with_some_label]]]]}",
        "<html>",
    ]
    .map(str::to_owned)
    .to_vec();
    let many: Vec<String> = (0..=MAX_LABELS).map(|number| format!("b{number}=\"\"")).collect();
    lines.push(format!("a{{{}}} 1", many.join(",")));
    for line in &lines {
        assert_eq!(one(line), None, "{line}");
    }
    let exposition = parse(b"a{b=\"\xff\"} 1\n# \xff\n");
    assert_eq!(exposition, Exposition { skipped: 2, ..Exposition::default() });
}

#[test]
fn families_have_the_type_that_is_said_before_their_samples() {
    let exposition = parse(
        b"# HELP a What it is \\ TYPE\n# TYPE a gauge\na 1\nb 2\n# TYPE b counter\n#TYPE c\tsummary\n\n# a\n#\na 3\n\
          # TYPE a counter\n# TYPE d histogram\n# TYPE e untyped\nf 1",
    );
    let families: Vec<_> = exposition
        .families
        .iter()
        .map(|(name, family)| {
            (*name, family.kind, family.samples.iter().map(|sample| sample.value).collect())
        })
        .collect();
    let expected: [(&str, Kind, Vec<f64>); 6] = [
        ("a", Kind::Gauge, vec![1.0, 3.0]),
        ("b", Kind::Untyped, vec![2.0]),
        ("c", Kind::Summary, vec![]),
        ("d", Kind::Histogram, vec![]),
        ("e", Kind::Untyped, vec![]),
        ("f", Kind::Untyped, vec![1.0]),
    ];
    assert_eq!(families, expected);
    assert_eq!(exposition.skipped, 2, "types that come too late");
}

#[test]
fn more_samples_than_anyone_needs_are_left_out() {
    let text = "a 1\n".repeat(MAX_SAMPLES + 3);
    let exposition = parse(text.as_bytes());
    assert_eq!(exposition.families["a"].samples.len(), MAX_SAMPLES);
    assert_eq!(exposition.skipped, 3);
}

fn line() -> impl Strategy<Value = Line> {
    let labels = prop::collection::btree_map("[a-z][a-z0-9_]{0,8}", "[a-c\\\\\"\n{}=, ä]{0,12}", 0..5);
    ("[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", labels.prop_map(|labels| labels.into_iter().collect()), -1e9..1e9)
}

fn written((name, labels, value): &Line) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels: Vec<_> =
        labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{name}{{{}}} {value}", labels.join(","))
}

proptest! {
    #[test]
    fn what_was_written_is_read(line in line()) {
        prop_assert_eq!(one(&written(&line)), Some(line));
    }

    #[test]
    fn bad_lines_take_nothing_from_good_ones(
        lines in prop::collection::vec(line(), 0..8),
        bad in prop::collection::vec("[{}\"=][a-z{}\"=\\\\, 0-9]{0,20}", 8),
    ) {
        let good: Vec<String> = lines.iter().map(written).collect();
        let mixed: Vec<String> = good.iter().zip(&bad).map(|(good, bad)| format!("{bad}\n{good}")).collect();
        let (good, mixed) = (good.join("\n"), mixed.join("\n"));
        let (good, mixed) = (parse(good.as_bytes()), parse(mixed.as_bytes()));
        prop_assert_eq!(&good.families, &mixed.families);
        prop_assert_eq!((good.skipped, mixed.skipped), (0, lines.len()));
    }

    #[test]
    fn any_bytes_are_read_to_the_end(text in prop::collection::vec(any::<u8>(), 0..400)) {
        parse(&text);
    }

    #[test]
    fn any_text_of_the_formats_characters_is_read_to_the_end(text in "([a-b{}=\",#\\\\ \n1]|# TYPE ){0,200}") {
        let exposition = parse(text.as_bytes());
        let samples = exposition.families.values().map(|family| family.samples.len()).sum::<usize>();
        prop_assert!(samples + exposition.skipped <= text.lines().count());
    }
}
