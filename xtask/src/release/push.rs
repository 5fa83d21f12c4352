//! What is pushed where: the script that does it, and a table for people.

use crate::images::Made;
use crate::version::VERSION;

use super::Options;

/// It reads `images.txt` beside it.
pub(crate) const SCRIPT: &str = include_str!("push.sh");

/// A line `REGISTRY/NAME:VERSION@DIGEST` for each image.
pub(crate) fn images(images: &[Made], options: &Options) -> String {
    let line = |image: &Made| format!("{}@{}\n", options.images.names(image.name).concat(), image.digest);
    images.iter().map(line).collect()
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
