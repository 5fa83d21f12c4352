use super::*;

/// `b7.3-0` is a unit of the queue `b7.3` of the device `b7`, near node 1; those of `a` are near node 0, of `x` near none.
fn place(id: &str) -> Place {
    let piece = id.split('-').next().unwrap().to_owned();
    let device = piece.split('.').next().unwrap().to_owned();
    let node = match id.as_bytes()[0] {
        b'a' => Some(0),
        b'b' => Some(1),
        _ => None,
    };
    Place { piece, device, node }
}

fn choose(available: &[&str], must_include: &[&str], size: usize) -> Vec<String> {
    let choice = Choice { available: available.to_vec(), must_include: must_include.to_vec(), size };
    prefer(&choice, place)
}

#[test]
fn different_queues_come_before_a_second_share_of_one() {
    let free = ["a0.0-0", "a0.0-1", "a0.0-2", "b1.0-0"];
    assert_eq!(choose(&free, &[], 2), ["a0.0-0", "b1.0-0"]);
    assert_eq!(choose(&free, &[], 3), ["a0.0-0", "b1.0-0", "a0.0-1"]);
    assert_eq!(choose(&free, &["a0.0-1"], 2), ["a0.0-1", "b1.0-0"]);
}

#[test]
fn the_node_that_has_enough_queues_comes_first() {
    let free = ["a0.0-0", "a0.0-1", "a0.0-2", "b1.0-0", "b1.1-0"];
    assert_eq!(choose(&free, &[], 2), ["b1.0-0", "b1.1-0"], "node 0 has one queue, if many shares");
    let free = ["a0.0-0", "b1.0-0", "b1.1-0", "x2.0-0", "x2.1-0", "x2.2-0"];
    assert_eq!(choose(&free, &[], 1), ["b1.0-0"], "more are free on node 1");
    assert_eq!(choose(&free, &[], 3), ["b1.0-0", "b1.1-0", "a0.0-0"], "no place comes last");
    let free = ["a0.0-0", "a0.1-0", "a0.2-0", "b1.0-0", "b1.0-1", "b1.0-2", "b1.1-0"];
    assert_eq!(choose(&free, &[], 2), ["b1.0-0", "b1.1-0"], "both have enough");
}

#[test]
fn what_must_be_included_says_which_node_and_counts_as_taken() {
    let free = ["a0.0-0", "a0.1-0", "a2.0-0", "b1.0-0", "b1.1-0", "b3.0-0", "b3.1-0"];
    assert_eq!(choose(&free, &["a0.1-0"], 2), ["a0.1-0", "a2.0-0"]);
    assert_eq!(choose(&free, &["a0.1-0", "a0.0-0"], 2), ["a0.1-0", "a0.0-0"]);
    assert_eq!(choose(&free, &["b3.0-0"], 3), ["b3.0-0", "b1.0-0", "b1.1-0"]);
}

#[test]
fn different_devices_come_before_a_second_queue_of_one() {
    let free = ["a0.0-0", "a0.1-0", "a0.2-0", "a1.0-0"];
    assert_eq!(choose(&free, &[], 2), ["a0.0-0", "a1.0-0"]);
    assert_eq!(choose(&free, &[], 3), ["a0.0-0", "a1.0-0", "a0.1-0"]);
}

#[test]
fn the_least_used_is_taken_and_numbers_count() {
    let free = ["a0.0-1", "a0.1-0", "a0.1-1", "a1.0-0", "a1.1-0"];
    assert_eq!(choose(&free, &[], 1), ["a0.1-0"], "the fullest queue of the fullest device");
    let free = ["a10.0-0", "a2.10-0", "a2.9-10", "a2.9-9"];
    assert_eq!(choose(&free, &[], 4), ["a2.9-9", "a10.0-0", "a2.10-0", "a2.9-10"]);
}

#[test]
fn the_answer_is_what_was_asked_for_whatever_that_is() {
    let all = ["a0.0-0", "a0.0-1", "b1.0-0", "x9", "x9.0-", ""];
    let place = |id: &str| if id.is_empty() { place("x") } else { place(id) };
    // Every set of free ids, with every one of them that has to be included, and every size.
    for set in 0..1_usize << all.len() {
        let available: Vec<&str> = (0..all.len()).filter(|i| set >> i & 1 == 1).map(|i| all[i]).collect();
        for musts in 0..=available.len() {
            for size in 0..all.len() + 2 {
                let must_include = available[available.len() - musts..].to_vec();
                let choice = Choice { available: available.clone(), must_include, size };
                let answer = prefer(&choice, place);
                let unique: BTreeSet<&str> = answer.iter().map(String::as_str).collect();
                assert_eq!(
                    (answer.len(), unique.len()),
                    (size.min(available.len()), answer.len()),
                    "{choice:?}"
                );
                assert!(unique.iter().all(|id| available.contains(id)), "{choice:?}: {answer:?}");
                let included = choice.must_include.iter().filter(|id| unique.contains(*id)).count();
                assert_eq!(included, musts.min(size), "{choice:?}: {answer:?}");
            }
        }
    }
}
