#![no_main]

use gpu_xelink::links::{FAMILY, Rules, links};
use labels::Labels;
use libfuzzer_sys::fuzz_target;
use pages::exposition::{MAX_LABELS, MAX_SAMPLES, parse};

fuzz_target!(|content: &[u8]| {
    let exposition = parse(content);
    let samples = || exposition.families.values().flat_map(|family| &family.samples);
    let count = samples().count();
    assert!(
        count <= MAX_SAMPLES && count + exposition.skipped <= content.split(|byte| *byte == b'\n').count()
    );
    assert!(samples().all(|sample| sample.labels.len() <= MAX_LABELS));
    for without_subdevices in [false, true] {
        let links = links(exposition.families.get(FAMILY), Rules { lanes: 4, without_subdevices });
        let mut labels = Labels::default();
        labels.insert_chunks("gpu.intel.com/xe-links", &links.text).expect("links are labels");
    }
});
