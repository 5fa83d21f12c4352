//! The tree as a profile of the simulator.

use std::path::Path;

use device_plugin::error_chain;
use simulator::Profile;

use crate::tree::{Thing, things};
use crate::{Spec, links};

/// The profile that the file at `path` describes.
///
/// # Errors
/// The file, and what is wrong with it.
pub fn load(path: &Path) -> Result<Profile, String> {
    let shown = path.display();
    let (spec, _) = Spec::load(path).map_err(|error| format!("{shown}: {}", error_chain(&error)))?;
    Profile::parse(&shown.to_string(), &text(&spec)).map_err(|error| error_chain(&error))
}

/// The profile's text: the generator's tree, and the links once more for [`links::FILE`].
pub fn text(spec: &Spec) -> String {
    let mut text = format!("title {}\n", title(spec));
    for thing in things(spec) {
        let line = match thing {
            Thing::Folder(path) => format!("dir /{path}"),
            Thing::File(path, content) => file(&format!("/{path}"), &content),
            Thing::Null(path) => format!("char /{path} 1:3"),
        };
        text += &(line + "\n");
    }
    text + &file(links::FILE, links::text(spec).as_bytes()) + "\n"
}

/// The line of a file, whose content may be anything.
fn file(path: &str, content: &[u8]) -> String {
    let letter = |byte: &u8| match byte {
        b'!'..=b'~' if *byte != b'\\' => char::from(*byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    };
    let content: String = content.iter().map(letter).collect();
    format!("file {path} {content}\\c")
}

fn title(spec: &Spec) -> String {
    let words: Vec<&str> = spec.info.split_whitespace().collect();
    if words.is_empty() { format!("{} GPUs", spec.devices) } else { words.join(" ") }
}
