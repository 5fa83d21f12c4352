//! The flags of `cargo xtask images`.

use std::path::PathBuf;

use crate::flags;
use crate::platform::Platform;
use crate::version::VERSION;

/// What images are called where no flag says so.
pub(crate) const REGISTRY: &str = "docker.io/intel";
/// That which the manifests of `deployments` name.
const DEVELOPMENT: &str = "devel";

/// The flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// What stands before the names of images, without a slash at the end.
    pub(crate) registry: String,
    pub(crate) tags: Vec<String>,
    /// What binaries are built for; this machine's processor without.
    pub(crate) platforms: Vec<Platform>,
    /// Folders of binaries, one for each platform; they are built without it.
    pub(crate) binaries: Vec<PathBuf>,
    /// Where archives go; `target/images` without.
    pub(crate) output: Option<PathBuf>,
    /// Where the source of what is in the images can be had, for their labels.
    pub(crate) source: Option<String>,
}

impl Options {
    /// Reads the command line.
    pub(crate) fn parse(args: &[&str]) -> Result<Self, String> {
        let mut options = Self {
            registry: REGISTRY.to_owned(),
            tags: Vec::new(),
            platforms: Vec::new(),
            binaries: Vec::new(),
            output: None,
            source: None,
        };
        for (flag, value) in flags::pairs(args)? {
            match flag {
                "--registry" => value.trim_end_matches('/').clone_into(&mut options.registry),
                "--tag" if is_tag(&value) => options.tags.push(value),
                "--tag" => {
                    return Err(format!("--tag {value:?} is no tag: letters, digits, `_`, `.` and `-`"));
                }
                "--target" => options.platforms.push(Platform::of_target(&value)?),
                "--binaries" => options.binaries.push(value.into()),
                "--output" => options.output = Some(value.into()),
                "--source" => options.source = Some(value),
                _ => return Err(format!("there is no flag {flag}")),
            }
        }
        if !options.platforms.is_empty() && !options.binaries.is_empty() {
            return Err("--binaries are for what they are for: leave out --target".to_owned());
        }
        if options.tags.is_empty() {
            options.tags = vec![VERSION.to_owned(), DEVELOPMENT.to_owned()];
        }
        Ok(options)
    }

    /// The full names of an image, one for each tag.
    pub(crate) fn names(&self, image: &str) -> Vec<String> {
        self.tags.iter().map(|tag| format!("{}/{image}:{tag}", self.registry)).collect()
    }
}

/// By the [distribution specification](https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pulling-manifests).
fn is_tag(text: &str) -> bool {
    text.len() <= 128
        && !text.starts_with(['.', '-'])
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_flags_images_are_called_what_manifests_and_the_operator_call_them() {
        let options = Options::parse(&[]).unwrap();
        let names = [format!("docker.io/intel/x:{VERSION}"), "docker.io/intel/x:devel".to_owned()];
        assert_eq!(options.names("x"), names);
    }

    #[test]
    fn flags_take_their_value_as_the_next_word_or_after_an_equals_sign() {
        let options = Options::parse(&[
            "--tag",
            "a",
            "--tag=b",
            "--registry=localhost:5000/",
            "--source",
            "https://x/?a=b",
        ]);
        let options = options.unwrap();
        assert_eq!(options.names("x"), ["localhost:5000/x:a", "localhost:5000/x:b"]);
        assert_eq!(options.source.as_deref(), Some("https://x/?a=b"));
    }

    #[test]
    fn flags_that_are_wrong_are_refused() {
        for (args, why) in [
            (&["--tag"][..], "--tag needs a value"),
            (&["--tag="], "--tag needs a value"),
            (&["--tag", "a:b"], "--tag \"a:b\" is no tag"),
            (&["--tag", ".a"], "--tag \".a\" is no tag"),
            (&["--target", "riscv64gc-unknown-linux-gnu"], "nothing is shipped for"),
            (
                &["--target", "aarch64-unknown-linux-gnu", "--binaries", "x"],
                "--binaries are for what they are for",
            ),
            (&["--push", "x"], "there is no flag --push"),
            (&["word", "x"], "there is no flag word"),
        ] {
            let error = Options::parse(args).unwrap_err();
            assert!(error.starts_with(why), "{args:?}: {error}");
        }
    }
}
