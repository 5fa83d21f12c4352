//! The rule of dates, as tables.

use super::*;

const LIFETIME: Duration = Duration::from_secs(100_000);
const OVERLAP: u64 = 10_000;
const START: Moment = 1_800_000_000;

fn keyed(after: u64) -> Authority {
    Authority::new(START + after, LIFETIME).unwrap()
}

fn retired(after: u64) -> Authority {
    keyed(after).retired()
}

/// When the authority was made that signs after so many seconds.
fn signs(list: &[Authority], after: u64) -> Option<u64> {
    let authorities = Authorities::new(list.to_vec());
    authorities.signer(START + after).map(|authority| authority.created() - START)
}

#[test]
fn the_newest_that_was_trusted_for_its_overlap_signs_or_else_the_oldest() {
    let two = [keyed(0), keyed(70_000)];
    for (after, signer) in [
        (0, Some(0)),
        (69_999, Some(0)),
        (70_000 + OVERLAP - 1, Some(0)),
        (70_000 + OVERLAP, Some(70_000)),
        (164_999, Some(70_000)),
        // Half an overlap before it ends, and then nobody.
        (165_000, None),
    ] {
        assert_eq!(signs(&two, after), signer, "after {after}");
    }
    assert_eq!(signs(&[keyed(0), keyed(93_000)], 94_999), Some(0));
    assert_eq!(signs(&[keyed(0), keyed(93_000)], 95_000), Some(93_000));
    assert_eq!(signs(&[keyed(0), keyed(1)], 2), Some(0));
    assert_eq!(signs(&[retired(0), keyed(1)], 2), Some(1));
    assert_eq!(signs(&[retired(0)], 2), None);
    // Made by a clock that is ahead by more than certificates are backdated.
    assert_eq!(signs(&[keyed(50_000)], 0), None);
}

/// What is in the Secret after the next write: when each was made, and whether it has its key.
fn next(stored: &[Authority], known: &[Authority], after: u64) -> Option<Vec<(u64, bool)>> {
    let (stored, known) = (Authorities::new(stored.to_vec()), Authorities::new(known.to_vec()));
    let next = stored.next(&known, START + after, LIFETIME).unwrap()?;
    Some(next.iter().map(|one| (one.created() - START, one.key().is_some())).collect())
}

#[test]
fn a_new_authority_is_made_when_there_is_none_or_a_third_of_the_newest_is_left() {
    assert_eq!(next(&[], &[], 5), Some(vec![(5, true)]));
    assert_eq!(next(&[keyed(0)], &[], 66_000), None);
    assert_eq!(next(&[keyed(0)], &[], 66_668), Some(vec![(0, true), (66_668, true)]));
    assert_eq!(next(&[keyed(0), keyed(70_000)], &[], 99_999), None);
    assert_eq!(next(&[keyed(0), keyed(70_000)], &[], 100_000), Some(vec![(70_000, true)]));
    assert_eq!(next(&[keyed(0)], &[], 200_000), Some(vec![(200_000, true)]));
}

#[test]
fn an_authority_that_went_away_comes_back_without_its_key_while_it_may_be_in_use() {
    let lost = [keyed(0)];
    assert_eq!(next(&[], &lost, 50), Some(vec![(0, false), (50, true)]));
    assert_eq!(next(&[keyed(50)], &lost, 50 + OVERLAP - 1), Some(vec![(0, false), (50, true)]));
    assert_eq!(next(&[keyed(50)], &lost, 50 + OVERLAP), None);
    assert_eq!(next(&[], &lost, 100_000), Some(vec![(100_000, true)]), "it has ended");
    // The Secret was set back: what replaces the newer one is made now, which dates its end.
    assert_eq!(
        next(&[keyed(0)], &[keyed(0), keyed(20_000)], 40_000),
        Some(vec![(0, true), (20_000, false), (40_000, true)])
    );
}

#[test]
fn an_authority_without_key_goes_after_twice_the_overlap_of_what_replaces_it() {
    let stored = [retired(0), keyed(50)];
    assert_eq!(next(&stored, &[], 50 + 2 * OVERLAP - 1), None);
    assert_eq!(next(&stored, &[], 50 + 2 * OVERLAP), Some(vec![(50, true)]));
    assert_eq!(next(&[retired(0)], &[], 50), Some(vec![(0, false), (50, true)]));
    assert_eq!(next(&[retired(50_000), keyed(0)], &[], 1), Some(vec![(0, true)]), "nobody can have used it");
}

#[test]
fn what_one_replica_drops_no_other_brings_back_though_clocks_differ_by_an_overlap() {
    let stored = [retired(0), keyed(50)];
    let dropped = Authorities::new(stored.to_vec());
    for after in (0..60_000).step_by(500) {
        let Some(without) = dropped.next(&Authorities::default(), START + after, LIFETIME).unwrap() else {
            continue;
        };
        for behind in [0, 600, OVERLAP] {
            let again = without.next(&dropped, START + after - behind, LIFETIME).unwrap();
            assert!(again.is_none(), "after {after}, behind by {behind}: {again:?}");
        }
    }
}

#[test]
fn a_list_of_authorities_is_read_as_it_was_written() {
    let written = Authorities::new(vec![keyed(0), retired(10), keyed(20)]);
    let (read, problems) = Authorities::read(&written.data());
    assert!(problems.is_empty() && read.same(&written), "{problems:?}");
}

#[test]
fn what_is_written_does_not_grow_without_end_and_can_be_read_again() {
    let many: Vec<_> = (0..MOST as u64 + 5).map(retired).collect();
    let expected = (6..MOST as u64 + 5).map(|made| (made, false)).chain([(100, true)]).collect::<Vec<_>>();
    assert_eq!(next(&[], &many, 100), Some(expected.clone()));
    let stored = Authorities::new(many[6..].iter().cloned().chain([keyed(100)]).collect());
    let (read, problems) = Authorities::read(&stored.data());
    assert!(problems.is_empty() && read.same(&stored), "{problems:?}");
    assert_eq!(next(&read.0, &many, 101), None, "it rests");
}

#[test]
fn no_key_is_shown() {
    let authorities = Authorities::new(vec![keyed(0)]);
    let shown = format!("{authorities:?} {authorities:#?}");
    let key = authorities.0[0].key().unwrap().serialize_der();
    assert!(!shown.contains(&format!("{:?}", &key[40..44]).replace(['[', ']'], "")), "{shown}");
    assert!(shown.len() < 400, "{shown}");
}
