#![no_main]
#![allow(dead_code)]

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/certificates/src"]
mod certificates {
    pub(crate) mod authorities;
    pub(crate) mod authority;
}

use certificates::authorities::{Authorities, CERTIFICATES, KEYS};
use certificates::authority;

// The two entries of the webhooks' Secret, a zero byte between them.
fuzz_target!(|content: &[u8]| {
    let mut parts = content.splitn(2, |byte| *byte == 0);
    let entry = |name: &str, bytes: Option<&[u8]>| Some((name.to_owned(), ByteString(bytes?.to_vec())));
    let entries = [entry(CERTIFICATES, parts.next()), entry(KEYS, parts.next())];
    let (read, problems) = Authorities::read(&entries.into_iter().flatten().collect::<BTreeMap<_, _>>());
    assert!(problems.iter().all(|problem| problem.len() < 1000), "{problems:?}");
    if read.is_empty() {
        return;
    }
    for authority in read.iter() {
        assert!(authority.created() >= 600 || authority.ends() > 0);
        let _ = (authority.is_old(u64::MAX), authority.known_after(), authority.is_valid(0));
    }
    let _ = read.signer(1_800_000_000);
    let written = read.data();
    let (again, _) = Authorities::read(&written);
    assert_eq!(again.data(), written, "written and read again it is something else");
    let shape =
        |all: &Authorities| all.iter().map(|one| (one.ends(), one.key().is_some())).collect::<Vec<_>>();
    assert_eq!(shape(&again), shape(&read));
});
