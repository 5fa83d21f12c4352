//! Which images objects may name, and which the operator wants instead after it was replaced itself.

use std::fmt;

use semver::Version;

/// The parts of an image's name such as `registry.example.com:5000/intel/intel-color-plugin:1.36.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image<'a> {
    /// Everything before tag and digest.
    pub repository: &'a str,
    /// After the colon.
    pub tag: Option<&'a str>,
    /// After the at sign: `sha256:` and 64 hexadecimal digits.
    pub digest: Option<&'a str>,
}

impl<'a> Image<'a> {
    /// Takes a name apart. A colon before the last slash is a registry's port.
    pub fn parse(text: &'a str) -> Self {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let name = rest.rfind('/').map_or(0, |slash| slash + 1);
        let colon = rest.get(name..).and_then(|name_and_tag| name_and_tag.find(':')).map(|at| name + at);
        let (repository, tag) = match colon.and_then(|at| rest.split_at_checked(at)) {
            Some((repository, tag)) => (repository, tag.get(1..)),
            None => (rest, None),
        };
        Self { repository, tag, digest }
    }

    /// `intel-color-plugin`.
    pub fn name(&self) -> &'a str {
        self.repository.rsplit('/').next().unwrap_or_default()
    }

    /// The environment variable that has another image in this one's place: `INTEL_COLOR_PLUGIN_SHA`.
    pub fn override_variable(&self) -> String {
        format!("{}_SHA", self.name().to_uppercase().replace('-', "_"))
    }
}

/// Why an image is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// It is another program's.
    #[error("image {image:?} is not {expected}: its name, without registry and version, has to be that")]
    Name {
        /// As it was given.
        image: String,
        /// What it should be.
        expected: &'static str,
    },
    /// It has neither.
    #[error("image {0:?} has no version: write {0}:VERSION, such as {0}:{1}")]
    NoVersion(String, String),
    /// The tag is none that can be compared.
    #[error("image {image:?} has the tag {tag:?}, which is no version such as {minimum}")]
    Tag {
        /// As it was given.
        image: String,
        /// Its tag.
        tag: String,
        /// The lowest that is taken.
        minimum: String,
    },
    /// What follows the at sign is no digest.
    #[error("image {0:?} has no digest of the form sha256: and 64 hexadecimal digits after the @")]
    Digest(String),
    /// It is older than the operator.
    #[error("image {image:?} is too old for this operator: version {minimum} is needed, or a newer one")]
    TooOld {
        /// As it was given.
        image: String,
        /// The lowest that is taken.
        minimum: String,
    },
}

/// Fails unless the image has one of these names and a version that is not below `minimum`, or is pinned by its digest.
pub fn check(text: &str, names: &'static [&'static str], minimum: &str) -> Result<(), ImageError> {
    let image = Image::parse(text);
    if !names.contains(&image.name()) {
        let expected = names.first().copied().unwrap_or_default();
        return Err(ImageError::Name { image: text.to_owned(), expected });
    }
    if image.digest.is_some_and(|digest| !is_digest(digest)) {
        return Err(ImageError::Digest(text.to_owned()));
    }
    let (minimum, image) = (minimum.to_owned(), image);
    match (image.tag, image.digest) {
        (None, Some(_)) => Ok(()),
        (None, None) => Err(ImageError::NoVersion(text.to_owned(), minimum)),
        (Some(tag), _) => match version(tag) {
            None => Err(ImageError::Tag { image: text.to_owned(), tag: tag.to_owned(), minimum }),
            Some(found) if is_below(&found, &minimum) => {
                Err(ImageError::TooOld { image: text.to_owned(), minimum })
            }
            Some(_) => Ok(()),
        },
    }
}

/// The image that the operator wants instead of this one, if it wants another: the one that an environment variable names, or the
/// same of version `minimum` if this one's is lower. Never a lower one; tags that are no versions and digests are left alone.
pub fn upgrade(text: &str, minimum: &str, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let image = Image::parse(text);
    if image.repository.is_empty() || (image.tag.is_none() && image.digest.is_none()) {
        return None;
    }
    let other = variable(&image.override_variable()).filter(|other| !other.is_empty() && other != text);
    other.or_else(|| {
        let found = image.tag.filter(|_| image.digest.is_none()).and_then(version)?;
        is_below(&found, minimum).then(|| format!("{}:{minimum}", image.repository))
    })
}

fn is_digest(digest: &str) -> bool {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    digest.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(is_hex))
}

fn version(tag: &str) -> Option<Version> {
    Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok()
}

/// By the three numbers: a pre-release of a version will do where the version is asked for.
fn is_below(version: &Version, minimum: &str) -> bool {
    let numbers = |version: &Version| (version.major, version.minor, version.patch);
    Version::parse(minimum).is_ok_and(|minimum| numbers(version) < numbers(&minimum))
}

impl fmt::Display for Image<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.repository)?;
        self.tag.into_iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.into_iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["intel-color-initcontainer", "intel-color-initimage"];
    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn names_are_taken_apart() {
        let cases = [
            ("a", ("a", None, None)),
            ("a:1", ("a", Some("1"), None)),
            ("host:5000/b/a", ("host:5000/b/a", None, None)),
            ("host:5000/b/a:1", ("host:5000/b/a", Some("1"), None)),
            ("host:5000/a@sha256:1", ("host:5000/a", None, Some("sha256:1"))),
            ("host/a:v1@sha256:1", ("host/a", Some("v1"), Some("sha256:1"))),
            ("", ("", None, None)),
            (":", ("", Some(""), None)),
        ];
        for (text, (repository, tag, digest)) in cases {
            let image = Image::parse(text);
            assert_eq!(image, Image { repository, tag, digest });
            assert_eq!(image.to_string(), text);
        }
    }

    #[test]
    fn images_of_the_family_and_not_older_than_the_operator_are_taken() {
        for good in [
            "intel-color-initcontainer:1.36.0",
            "intel/intel-color-initcontainer:v1.36.0",
            "host:5000/x/intel-color-initimage:1.36.1",
            "intel/intel-color-initcontainer:2.0.0-rc.1+build.5",
            "intel/intel-color-initcontainer:1.36.0-rc.1",
            &format!("intel/intel-color-initcontainer@{DIGEST}"),
            &format!("intel/intel-color-initcontainer:1.36.0@{DIGEST}"),
        ] {
            assert_eq!(check(good, NAMES, "1.36.0"), Ok(()), "{good}");
        }
    }

    #[test]
    fn other_images_are_refused_and_the_reason_tells_what_to_write() {
        for (bad, why) in [
            ("", "is not intel-color-initcontainer"),
            ("intel/intel-color-plugin:1.36.0", "is not intel-color-initcontainer"),
            ("intel/xintel-color-initcontainer:1.36.0", "is not"),
            ("intel/intel-color-initcontainer", "has no version"),
            ("intel/intel-color-initcontainer:devel", "no version such as 1.36.0"),
            ("intel/intel-color-initcontainer:1.36", "no version such as 1.36.0"),
            ("intel/intel-color-initcontainer:1.036.0", "no version such as 1.36.0"),
            ("intel/intel-color-initcontainer:1.35.9", "too old"),
            ("intel/intel-color-initcontainer:1.35.9@sha256:00", "no digest"),
            ("intel/intel-color-initcontainer@sha256:ABC", "no digest"),
        ] {
            let error = check(bad, NAMES, "1.36.0").unwrap_err().to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
        let old = format!("intel/intel-color-initcontainer:1.35.0@{DIGEST}");
        assert!(check(&old, NAMES, "1.36.0").is_err());
    }

    #[test]
    fn only_lower_versions_are_upgraded() {
        let none = |_: &str| None;
        for (from, to) in [
            ("intel/intel-shape-plugin:1.35.0", Some("intel/intel-shape-plugin:1.36.0")),
            ("host:5000/intel/intel-shape-plugin:v1.32.1", Some("host:5000/intel/intel-shape-plugin:1.36.0")),
            ("intel/intel-shape-plugin:1.36.0", None),
            ("intel/intel-shape-plugin:1.36.0-rc.1", None),
            ("intel/intel-shape-plugin:1.37.0", None),
            ("intel/intel-shape-plugin:devel", None),
            ("intel/intel-shape-plugin", None),
            (&format!("intel/intel-shape-plugin:1.35.0@{DIGEST}"), None),
            (&format!("intel/intel-shape-plugin@{DIGEST}"), None),
            ("", None),
        ] {
            assert_eq!(upgrade(from, "1.36.0", none).as_deref(), to, "{from}");
        }
    }

    #[test]
    fn an_environment_variable_has_the_last_word() {
        let wanted = format!("registry.example.com/intel-sound-plugin@{DIGEST}");
        let variable = |name: &str| (name == "INTEL_SOUND_PLUGIN_SHA").then(|| wanted.clone());
        for from in [
            "intel/intel-sound-plugin:1.35.0",
            "intel/intel-sound-plugin:0.99.0",
            "x:1/intel-sound-plugin@sha256:1",
        ] {
            assert_eq!(upgrade(from, "1.36.0", variable), Some(wanted.clone()), "{from}");
        }
        assert_eq!(upgrade(&wanted, "1.36.0", variable), None);
        assert_eq!(upgrade("intel/intel-shape-plugin:1.36.0", "1.36.0", variable), None);
    }
}
