//! What is pushed where, for the script that does it, and as a table for people.

use crate::images::Made;
use crate::version::VERSION;

use super::Options;

/// Pushes the release in the folder that is its argument. It is no part of the release: what may push runs no file that was built.
pub(crate) const SCRIPT: &str = "xtask/src/release/push.sh";

/// A line `REGISTRY/NAME:VERSION@DIGEST` for each image.
pub(crate) fn images(images: &[Made], options: &Options) -> String {
    let line = |image: &Made| format!("{}@{}\n", options.images.names(image.name).concat(), image.digest);
    images.iter().map(line).collect()
}

/// A line `FILE REGISTRY/NAME:VERSION@DIGEST` for each manifest that a bill of materials is of. The first one of an image for several
/// platforms stands for its index, too, which is what the version leads to.
pub(crate) fn bills(images: &[Made], options: &Options) -> String {
    let mut lines = String::new();
    for image in images {
        let index = image.bills.first().filter(|_| image.bills.len() > 1);
        let index = index.map(|(file, _)| (file, &image.digest));
        for (file, digest) in index.into_iter().chain(image.bills.iter().map(|(file, digest)| (file, digest)))
        {
            let name = options.images.names(image.name).concat();
            lines.push_str(&format!("images/{file} {name}@{digest}\n"));
        }
    }
    lines
}

/// A line for each image and chart.
pub(crate) fn table(images: &[Made], charts: &[String], options: &Options) -> String {
    let mut table = format!("{:<52}to\n", "what is to be pushed");
    for image in images {
        let to = options.images.names(image.name).concat();
        table.push_str(&format!("{:<52}{to}\n", format!("images/{}.tar", image.name)));
    }
    for chart in charts {
        let name = chart.strip_suffix(&format!("-{VERSION}.tgz")).unwrap_or(chart);
        let to = format!("{}/charts/{name}:{VERSION}", options.images.registry);
        table.push_str(&format!("{:<52}{to}\n", format!("files/{chart}")));
    }
    table
}
