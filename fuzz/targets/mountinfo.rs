#![no_main]

use std::cell::LazyCell;

use doctor::mounts::Mounts;
use fuzz::Place;
use libfuzzer_sys::fuzz_target;

const NODE: &str = "proc/1/mountinfo";
const CONTAINER: &str = "proc/17/mountinfo";

thread_local! {
    static PLACE: LazyCell<Place> = const { LazyCell::new(|| {
        let place = Place::new("mountinfo");
        for folder in ["proc/1", "proc/17"] {
            place.make(folder);
        }
        place
    })};
}

// A path in the first line; what is mounted on a node, and after a zero byte what in a container.
fuzz_target!(|text: &str| {
    let (path, mounted) = text.split_once('\n').unwrap_or((text, ""));
    let (node, container) = mounted.split_once('\0').unwrap_or((mounted, mounted));
    let [node, container] = PLACE.with(|place| {
        place.write(NODE, node);
        place.write(CONTAINER, container);
        ["/proc/1", "/proc/17"].map(|process| Mounts::of(&place.host, process))
    });
    for mounts in [&node, &container] {
        let Some(spot) = mounts.spot(path) else { continue };
        // It may be there more than once.
        let found = mounts.path(&spot).unwrap_or_else(|| panic!("{spot:?} is nowhere"));
        assert!(found.is_absolute(), "{found:?}");
        assert_eq!(mounts.spot(&found).as_ref(), Some(&spot), "{found:?}");
    }
    if let Some(spot) = container.spot(path)
        && let Some(found) = node.path(&spot)
    {
        assert_eq!(node.spot(&found), Some(spot), "{found:?}");
    }
});
