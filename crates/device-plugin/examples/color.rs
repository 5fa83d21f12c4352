//! A whole device plugin: each file in `/etc/colors` is a device of `color.example.com/paint`, near no NUMA node. A
//! container gets the file, and the colours' names in `COLORS`. Pass a root folder to try it on a simulated node:
//! `cargo run -p device-plugin --example color -- /tmp/node`.

use device_plugin::{
    ContainerEdits, Device, DevicePlugin, DeviceSpec, DiscoverError, Expectation, Inventory, Manager, Mount,
    Paths, Refusal, Rescan, Triggers,
};
use host::Host;

const FOLDER: &str = "/etc/colors";

struct Colors;

impl DevicePlugin for Colors {
    fn namespace(&self) -> &'static str {
        "color.example.com"
    }

    fn triggers(&self) -> Triggers {
        Triggers { folders: &[FOLDER], ..Triggers::default() }
    }

    fn discover(&self, host: &Host) -> Result<Inventory, DiscoverError> {
        let mut inventory = Inventory::default();
        if !host.exists(FOLDER) {
            return Ok(inventory);
        }
        for name in host.names(FOLDER)? {
            let path = format!("{FOLDER}/{name}");
            let mut spec =
                DeviceSpec { expects: vec![Expectation::Exists(path.clone().into())], ..Default::default() };
            spec.edits.mounts.push(Mount::read_only(host, path));
            inventory.add("paint", name, Device::healthy(spec));
        }
        Ok(inventory)
    }

    fn allocate(
        &self,
        _resource: &str,
        devices: &[(&str, &Device)],
        mut edits: ContainerEdits,
    ) -> Result<ContainerEdits, Refusal> {
        let names: Vec<&str> = devices.iter().map(|(name, _)| *name).collect();
        edits.env.insert("COLORS".to_owned(), names.join(","));
        Ok(edits)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let host = Host::at(std::env::args().nth(1).unwrap_or_default())?;
    let folder = |path| host.outside(path);
    let paths = Paths { kubelet: folder("/var/lib/kubelet/device-plugins"), cdi: folder("/var/run/cdi") };
    let stop = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    Manager::new(Colors, host, paths, Rescan::default()).run(stop).await?;
    Ok(())
}
