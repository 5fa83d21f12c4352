#![no_main]

use controller::{Settings, admission};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

#[path = "../../operator/src/families.rs"]
mod families;

// The first letter chooses the kind, the rest is the spec of an object. What the webhook takes must give a DaemonSet.
fuzz_target!(|content: &[u8]| {
    let Some((first, json)) = content.split_first() else { return };
    let family = families::FAMILIES[usize::from(*first) % families::FAMILIES.len()];
    let Ok(mut spec) = serde_json::from_slice::<Value>(json) else { return };
    if let (Some(image), Some(fields)) = (admission::default_image(&family, &spec), spec.as_object_mut()) {
        fields.insert("image".to_owned(), json!(image));
        assert_eq!(admission::default_image(&family, &spec), None);
    }
    if let Some(why) = admission::refusal(&family, &spec) {
        return assert!(!why.is_empty());
    }
    let settings = Settings { namespace: "system".to_owned(), ..Settings::default() };
    let made = family.daemonset("x", &spec, &settings);
    let daemonset = made.unwrap_or_else(|error| panic!("{} was taken: {spec}: {error}", family.name));
    let pod = daemonset.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()).expect("it has pods");
    assert_eq!(pod.containers[0].image.as_deref(), spec["image"].as_str());
    assert_eq!(json!(family.daemonset("x", &spec, &settings).expect("a second time")), json!(daemonset));
    family.config_map(&spec).expect("it can be read");
});
