//! What a program reads of a node, said beside the program: a recording of the node is made of it.

use crate::PciId;

/// Files, folders and links of a node, as patterns.
///
/// `*` in a name stands for any text, `#` for a number, `..` for the folder above, and `...` for a folder and all those
/// above it. Links on the way are followed. A pattern that ends at a folder says that its being there matters, not what is
/// in it.
///
/// ```
/// use host::Reads;
///
/// const READS: &[Reads] = &[
///     Reads::of("/sys/class/drm/card#/device", &["vendor", "driver", "drm/renderD#"]),
///     Reads::of("/dev/dri", &["renderD#"]),
/// ];
/// assert_eq!(READS[0].patterns().last().unwrap(), "/sys/class/drm/card#/device/drm/renderD#");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Reads {
    folder: &'static str,
    names: &'static [&'static str],
    functions: Option<(PciId, &'static [PciId])>,
    keep: Option<fn(&str) -> String>,
}

impl Reads {
    /// What these patterns say below the folders that `folder` says.
    pub const fn of(folder: &'static str, names: &'static [&'static str]) -> Self {
        Self { folder, names, functions: None, keep: None }
    }

    /// Only where the folder is a PCI function of this vendor's with one of these device ids.
    pub const fn only(self, vendor: PciId, devices: &'static [PciId]) -> Self {
        Self { functions: Some((vendor, devices)), ..self }
    }

    /// Of the files' text only what `keep` leaves: the rest is nobody's business.
    pub const fn keeping(self, keep: fn(&str) -> String) -> Self {
        Self { keep: Some(keep), ..self }
    }

    /// The pattern of the folders.
    pub fn folder(&self) -> &'static str {
        self.folder
    }

    /// The patterns below these folders.
    pub fn names(&self) -> &'static [&'static str] {
        self.names
    }

    /// All patterns, whole.
    pub fn patterns(&self) -> impl Iterator<Item = String> {
        self.names.iter().map(|name| format!("{}/{name}", self.folder))
    }

    /// Whether functions with these ids are meant.
    pub fn is_of(&self, vendor: PciId, device: PciId) -> bool {
        self.functions.is_none_or(|(of, devices)| of == vendor && devices.contains(&device))
    }

    /// Whether only some PCI functions are meant.
    pub fn is_of_some(&self) -> bool {
        self.functions.is_some()
    }

    /// What is to be kept of a file's text.
    pub fn kept(&self, text: &str) -> String {
        self.keep.map_or_else(|| text.to_owned(), |keep| keep(text))
    }
}

/// Whether a name is what one part of a pattern says.
///
/// ```
/// assert!(host::name_matches("wq#.#", "wq0.12") && !host::name_matches("card#", "card0-DP-1"));
/// ```
pub fn name_matches(pattern: &str, name: &str) -> bool {
    fn matches(pattern: &[u8], name: &[u8]) -> bool {
        let after = |count| name.get(count..).unwrap_or_default();
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|count| matches(rest, after(count))),
            Some((b'#', rest)) => {
                let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
                (1..=digits).any(|count| matches(rest, after(count)))
            }
            Some((byte, rest)) => name.first() == Some(byte) && matches(rest, after(1)),
        }
    }
    matches(pattern.as_bytes(), name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_a_hash_is_a_number() {
        for (pattern, name) in [
            ("card#", "card12"),
            ("wq#.#", "wq0.1"),
            ("*.mei-*", "i915.mei-gscfi.768"),
            ("*:*", "0000:6b:00.0"),
            ("*", "any"),
            ("vf#_resources", "vf10_resources"),
        ] {
            assert!(name_matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("card#", "card"),
            ("card#", "card0-DP-1"),
            ("card#", "xcard0"),
            ("wq#.#", "wq0"),
            ("*:*", "bind"),
            ("vendor", "vendors"),
        ] {
            assert!(!name_matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn ids_say_which_functions_are_meant() {
        let (vendor, one, other) = (PciId(0x8086), PciId(1), PciId(2));
        let all = Reads::of("/a", &["b"]);
        assert!(all.is_of(PciId(0), other) && !all.is_of_some());
        let some = all.only(vendor, &[PciId(1)]);
        assert!(some.is_of(vendor, one) && !some.is_of(vendor, other) && !some.is_of(PciId(0), one));
    }
}
