//! Chunks, keys and values.

use labels::{LabelError, Labels, MAX_VALUE, chunks};
use proptest::prelude::*;

#[test]
fn texts_are_cut_after_the_last_letter_or_digit_that_fits() {
    let cases: [(&str, usize, &[&str]); 7] = [
        ("", 4, &[""]),
        ("abcd", 4, &["abcd"]),
        ("abcde", 4, &["abcd", "Ze"]),
        ("ab_-cd", 4, &["ab", "Z_-c", "Zd"]),
        ("0.0-1.0_0.1-1.1", 10, &["0.0-1.0_0", "Z.1-1.1"]),
        ("ab__", 3, &["ab", "Z__"]),
        ("ab_äcde", 6, &["ab_äc", "Zde"]),
    ];
    for (text, max, expected) in cases {
        assert_eq!(chunks(text, max).unwrap(), expected, "{text} in {max}");
    }
}

#[test]
fn a_stretch_of_nothing_to_cut_after_is_refused() {
    for (text, max) in [("a_b_c_d", 2), ("aäää", 3), ("___abc", 3)] {
        assert!(matches!(chunks(text, max), Err(LabelError::Uncut(_))), "{text} in {max}");
    }
}

#[test]
fn chunks_without_room_are_refused() {
    assert_eq!(chunks("abc", 1), Err(LabelError::NoRoom { max: 1 }));
    assert_eq!(chunks("abc", 0), Err(LabelError::NoRoom { max: 0 }));
    let error = chunks(&"_".repeat(200), MAX_VALUE).unwrap_err();
    assert!(error.to_string().len() < 250, "{error}");
}

#[test]
fn long_texts_go_to_numbered_keys() {
    let mut labels = Labels::default();
    labels.insert("example.com/first", "1").unwrap();
    labels.insert_chunks("example.com/links", &["0.0-1.0"; 16].join("_")).unwrap();
    assert_eq!(
        labels.text(),
        "example.com/first=1\n\
         example.com/links=0.0-1.0_0.0-1.0_0.0-1.0_0.0-1.0_0.0-1.0_0.0-1.0_0.0-1.0_0.0-1.0\n\
         example.com/links2=Z_0.0-1.0_0.0-1.0_0.0-1.0_0.0-1.0_0.0-1.0_0.0-1.0_0.0-1.0_0.0-1\n\
         example.com/links3=Z.0\n"
    );
    assert_eq!(labels.iter().map(|(key, _)| key.len()).collect::<Vec<_>>(), [17, 17, 18, 18]);
}

#[test]
fn what_is_wrong_for_kubernetes_is_refused_and_adds_nothing() {
    let mut labels = Labels::default();
    let long = "n".repeat(64);
    let keys = [
        "",
        "name",
        "/name",
        "example.com/",
        "example.com/-a",
        "example.com/a b",
        "example.com/a\nb",
        "example.com/a=b",
        "example.com/a/b",
        "Example.com/a",
        "example..com/a",
        "-example.com/a",
        &format!("example.com/{long}"),
        &format!("{}/a", "n".repeat(254)),
    ];
    for key in keys {
        assert!(matches!(labels.insert(key, "1"), Err(LabelError::Key(_))), "{key}");
        assert!(matches!(labels.insert_chunks(key, "1"), Err(LabelError::Key(_))), "{key}");
    }
    for value in ["-", "a-", "_a", "a b", "a\nexample.com/b=1", "ä", &long] {
        let refused = labels.insert("example.com/a", value);
        assert!(matches!(refused, Err(LabelError::Value { .. })), "{value}");
    }
    // The second chunk's key is too long, and the last one's value ends with no letter and no digit.
    let longest = format!("example.com/{}", "n".repeat(63));
    assert!(labels.insert_chunks(&longest, &"1".repeat(64)).is_err());
    assert!(labels.insert_chunks("example.com/a", &format!("{}_", "1".repeat(64))).is_err());
    assert_eq!(labels, Labels::default());
    labels.insert(&longest, &"1".repeat(63)).unwrap();
    labels.insert("example.com/empty", "").unwrap();
    assert_eq!(labels.insert(&longest, ""), Err(LabelError::Twice(longest)));
    assert_eq!(labels.iter().count(), 2);
}

proptest! {
    #[test]
    fn chunks_hold_the_whole_text_and_fit(text in "([a-z0-9][-_.]{0,3}){0,60}|\\PC{0,200}", max in 0..80_usize) {
        let Ok(chunks) = chunks(&text, max) else { return Ok(()) };
        prop_assert!(chunks.iter().all(|chunk| chunk.len() <= max));
        let (first, rest) = chunks.split_first().unwrap();
        let whole: String = std::iter::once(first.as_str())
            .chain(rest.iter().map(|chunk| chunk.strip_prefix('Z').unwrap()))
            .collect();
        prop_assert_eq!(whole, text);
        for chunk in chunks.iter().rev().skip(1) {
            prop_assert!(chunk.ends_with(|c: char| c.is_ascii_alphanumeric()));
        }
    }

    #[test]
    fn lists_of_numbers_always_become_labels(numbers in proptest::collection::vec(0..10_000_u32, 0..300)) {
        let text = numbers.iter().map(u32::to_string).collect::<Vec<_>>().join("_");
        let mut labels = Labels::default();
        prop_assert!(labels.insert_chunks("example.com/numbers", &text).is_ok());
    }
}
