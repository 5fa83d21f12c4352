#![no_main]

use device_plugin::policy::{self, Choice};
use libfuzzer_sys::fuzz_target;

// What the kubelet asks before it allocates, a line each: how many, the free ids, those that must be included. It should not
// ask for what is not free, but who knows.
fuzz_target!(|text: &str| {
    let mut parts = text.splitn(3, '\n');
    let size = parts.next().and_then(|number| number.parse::<u32>().ok()).unwrap_or_default();
    let mut list = || parts.next().unwrap_or_default().split(' ').filter(|id| !id.is_empty()).collect();
    let choice = Choice { available: list(), must_include: list(), size: size as usize };
    let group = |id: &str| id.split_once('-').map_or(id, |(group, _)| group).to_owned();
    let answers = [
        policy::first(&choice),
        policy::spread(&choice, group),
        policy::balanced(&choice, group),
        policy::packed(&choice, group),
        policy::numa_aligned(&choice, |id| id.rsplit('-').next()?.parse().ok()),
    ];
    for chosen in answers {
        fuzz::check_choice(&choice, &chosen);
    }
});
