//! The folder of CDI files is on a disk that is full, or read-only. Both are mounts in the namespace of this program.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cdi::{Reader, files, whole};
use crate::world::{Outcome, World, ask, socket_of};

/// Room for a file of each of the eight GPUs, and one that is being written.
const SIZE: &str = "size=48k";

pub(super) async fn run(world: &mut World) -> Outcome<()> {
    let folder = world.path("cdi");
    let _mount = Mount::new(&folder, &["-t", "tmpfs", "-o", SIZE, "tmpfs"])?;
    world.plugin = Some(world.start()?);
    world.quiet().await?;
    let reader = Reader::start(world);
    for round in 0..world.order.rounds {
        // As after a reboot, in half of the rounds; else the files of all devices are there and stay.
        if world.random.bool() {
            for file in files(&folder) {
                fs::remove_file(file)?;
            }
        }
        if round % 2 == 0 {
            world.inject("full");
            let filler = fill(&folder)?;
            suffer(world, &folder).await?;
            fs::remove_file(filler)?;
        } else {
            world.inject("read-only");
            let read_only = Mount::read_only(&folder)?;
            suffer(world, &folder).await?;
            drop(read_only);
        }
        // All is well again: at the next change there is a file for each device, and for no other.
        world.toggle()?;
        world.quiet().await?;
        world.allocate_all().await?;
        let expected: usize = world.hardware().lists().values().map(std::collections::BTreeMap::len).sum();
        let found = files(&folder);
        world.checks.check(if found.len() == expected {
            Ok(())
        } else {
            Err(format!("{} CDI files for {expected} devices: {found:?}", found.len()))
        });
        world.measure(round)?;
    }
    drop(reader);
    world.end()
}

/// Nothing can be written: lists go on, and a device whose file is not there is not allocated.
async fn suffer(world: &mut World, folder: &Path) -> Outcome<()> {
    world.toggle_some()?;
    world.quiet().await?;
    let count = world.hardware().parts.len();
    for part in 0..count {
        let (socket, name, id, is_there) = {
            let hardware = world.hardware();
            let Some(found) = hardware.parts.get(part) else { continue };
            (socket_of(&found.resource), found.name.clone(), found.id.clone(), hardware.is_there(part))
        };
        let answer = ask(&world.kubelet.folder().join(socket), &id).await;
        let file = folder.join(format!("intel.cdi.k8s.io-gpu-{name}.yaml"));
        let has_file = fs::read(&file).is_ok_and(|text| whole(&text).is_ok());
        world.checks.check(match (answer, is_there) {
            (Ok(_), false) => Err(format!("{id} was allocated while it was not there")),
            (Ok(_), true) if !has_file => Err(format!("{id} was allocated without its CDI file")),
            (Err(why), true) if !why.contains("CDI file") => Err(format!("{id} was refused: {why}")),
            _ => Ok(()),
        });
    }
    Ok(world.checks.verdict()?)
}

/// Takes all the room that is left.
fn fill(folder: &Path) -> Outcome<PathBuf> {
    let path = folder.join("filler");
    let mut file = fs::File::create(&path)?;
    while file.write_all(&[0; 4096]).is_ok() {}
    Ok(path)
}

/// A mount; gone when dropped.
struct Mount(PathBuf);

impl Mount {
    fn new(at: &Path, args: &[&str]) -> Outcome<Self> {
        let status = Command::new("mount").args(args).arg(at).status()?;
        if status.success() {
            Ok(Self(at.to_owned()))
        } else {
            Err(format!("mount {args:?}: {status}").into())
        }
    }

    /// The folder itself once more, and not to be written to.
    fn read_only(at: &Path) -> Outcome<Self> {
        let mount = Self::new(at, &["--bind", at.to_str().ok_or("a path that is no text")?])?;
        let status = Command::new("mount").args(["-o", "remount,bind,ro"]).arg(at).status()?;
        if status.success() { Ok(mount) } else { Err(format!("mount -o remount,bind,ro: {status}").into()) }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
