//! A program as it is in images: the files that all of its images have.

use crate::build::Shipped;
use crate::crates::{self, Crate};
use crate::platform::Platform;
use crate::root;
use crate::version::VERSION;

use super::archive::{Entry, Tree};
use super::component::{Component, bill, read};
use super::table::{IMAGES, MORE_NAMES};
use super::{licences, toolchain};

/// A program with all that goes with it.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) package: &'static str,
    pub(crate) platform: Platform,
    pub(crate) binary: Vec<u8>,
    /// The project's own licence.
    pub(crate) licence: Vec<u8>,
    /// What of others is in it.
    pub(crate) components: Vec<Component>,
    /// The bill of materials.
    pub(crate) bill: Vec<u8>,
}

impl Program {
    /// With what others wrote of it, as the registry's folders and this machine have it.
    pub(crate) fn of(
        shipped: &Shipped,
        platform: Platform,
        binary: Vec<u8>,
        created: &str,
    ) -> Result<Self, String> {
        let package = shipped.package;
        let licence = read(&root().join("LICENSE"))?;
        let mut components = of_crates(&crates::of_others(package, platform)?, &licence)?;
        components.extend(toolchain::components(platform, shipped.is_static())?);
        let bill = format!("{:#}\n", bill(package, VERSION, created, &components)).into_bytes();
        Ok(Self { package, platform, binary, licence, components, bill })
    }

    /// Nothing but the program under its names, the folders that it and manifests count on, and `/licenses`.
    pub(crate) fn files(&self) -> Tree {
        let mut files = Tree::from([
            (format!("usr/local/bin/{}", self.package), Entry::Program(self.binary.clone())),
            // Logs go there with `-logtostderr=false`, the operator's certificate by default.
            ("tmp".to_owned(), Entry::Folder(0o1777)),
            ("licenses/LICENSE".to_owned(), Entry::File(self.licence.clone())),
            ("licenses/sbom.cdx.json".to_owned(), Entry::File(self.bill.clone())),
        ]);
        let images = IMAGES.iter().filter(|image| image.package == self.package);
        for image in images.clone().filter(|image| image.working_folder != "/") {
            files.insert(image.working_folder.trim_start_matches('/').to_owned(), Entry::Folder(0o755));
        }
        let names = images.map(|image| image.entry_point);
        let more = MORE_NAMES.iter().filter(|(package, _)| *package == self.package).map(|(_, name)| *name);
        for name in names.chain(more).filter(|name| *name != self.package) {
            let up = "../".repeat(name.matches('/').count());
            files.insert(format!("usr/local/bin/{name}"), Entry::Link(format!("{up}{}", self.package)));
        }
        for Component { name, version, texts, .. } in &self.components {
            for (path, text) in texts {
                files.insert(format!("licenses/{name}-{version}/{path}"), Entry::File(text.clone()));
            }
        }
        files
    }
}

/// With their licences; one without a text is an error.
pub(crate) fn of_crates(crates: &[Crate], apache: &[u8]) -> Result<Vec<Component>, String> {
    crates.iter().map(|found| Ok(Component::of(found, licences::texts(found, crates, apache)?))).collect()
}
