//! Which resource names the kubelet accepts.

/// Whether `name` is a valid extended resource name: a domain that is not Kubernetes' own, a slash, and a name. See
/// <https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#extended-resources>.
pub(super) fn is_extended_resource(name: &str) -> bool {
    // In quotas the name gets a prefix, and both together must be valid.
    let Some((domain, rest)) = name.split_once('/') else { return false };
    !name.contains("kubernetes.io/")
        && !name.starts_with("requests.")
        && "requests.".len() + domain.len() <= 253
        && domain
            .split('.')
            .all(|label| is_word(label, |b| b.is_ascii_lowercase() || b.is_ascii_digit(), b"-"))
        && rest.len() <= 63
        && is_word(rest, |b| b.is_ascii_alphanumeric(), b"-_.")
}

/// Ends are `end`s; in between there may be others.
fn is_word(text: &str, end: impl Fn(u8) -> bool, others: &[u8]) -> bool {
    let ends = [text.bytes().next(), text.bytes().next_back()];
    ends.iter().all(|byte| byte.is_some_and(&end))
        && text.bytes().all(|byte| end(byte) || others.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::is_extended_resource;

    #[test]
    fn names_are_accepted_as_kubernetes_accepts_them() {
        let long = "a".repeat(64);
        for good in
            ["gpu.intel.com/i915", "fpga.intel.com/af-d8424dc4_A.x", "a/b", &format!("a/{}", &long[1..])]
        {
            assert!(is_extended_resource(good), "{good}");
        }
        let bad = [
            "",
            "cpu",
            "/",
            "a/",
            "/b",
            "kubernetes.io/a",
            "x.kubernetes.io/a",
            "requests.a/b",
            "A/b",
            "a..b/c",
        ];
        for bad in
            bad.into_iter().chain(["a/-b", "a/b-", "a/b/c", "a/b c", "a/ü", "-a/b", &format!("a/{long}")])
        {
            assert!(!is_extended_resource(bad), "{bad}");
        }
        let domain = ["a"; 122].join(".");
        assert!(is_extended_resource(&format!("{domain}/b")), "{} bytes and the prefix", domain.len());
        assert!(!is_extended_resource(&format!("aa{domain}/b")));
    }
}
