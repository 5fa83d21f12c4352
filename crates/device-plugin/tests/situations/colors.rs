//! A plugin whose devices are files: each line of a file says something about the device.
//!
//! ```text
//! resource ink       of color.example.com/ink and not of .../paint
//! units 3            three units share it: red-0, red-1, red-2
//! sick dried up      it is unhealthy
//! numa 0 1           near these nodes
//! numa               near no node, said explicitly
//! node /dev/red      a device node that a container gets
//! mount /opt/red     a folder that a container gets
//! driver brush       /sys/colors/red/driver must lead to brush
//! cdi paint          a CDI device color.example.com/paint=red
//! cdi paint shared   the same, of another name than the file's
//! warn dusty         discovery complains
//! look 5             look again after so many seconds
//! ```

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use device_plugin::{
    Capabilities, CdiDevice, ContainerEdits, Device, DevicePlugin, DeviceSpec, DiscoverError, Expectation,
    Health, Inventory, Mount, Refusal, Triggers, policy,
};
use host::Host;

pub(super) const FOLDER: &str = "/etc/colors";
pub(super) const NAMESPACE: &str = "color.example.com";

/// What a test makes the plugin do, and what the plugin was asked.
#[derive(Debug, Default)]
pub(super) struct Controls {
    script: Mutex<Script>,
    changed: Condvar,
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a trouble of its own")]
pub(super) struct Script {
    pub(super) capabilities: Capabilities,
    /// Discovery fails with this.
    pub(super) failure: Option<String>,
    /// It is no failure: something is not known yet.
    pub(super) is_early: bool,
    pub(super) discovery_panics: bool,
    /// Discovery does not return.
    pub(super) discovery_hangs: bool,
    /// The hooks fail with this.
    pub(super) refusal: Option<String>,
    pub(super) pre_start_panics: bool,
    /// What the kubelet asks, to allocate or to prefer, panics.
    pub(super) calls_panic: bool,
    /// And does not return.
    pub(super) calls_hang: bool,
    /// How many of these calls began.
    pub(super) calls: usize,
    /// How many discoveries began.
    pub(super) discoveries: usize,
    pub(super) pre_starts: Vec<Vec<String>>,
    pub(super) must_include: Vec<Vec<String>>,
}

impl Controls {
    /// Looks at the script and changes it.
    pub(super) fn script<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        let result = change(&mut self.script.lock().unwrap());
        self.changed.notify_all();
        result
    }

    fn discovery(&self) -> Result<(), DiscoverError> {
        let mut script = self.script.lock().unwrap();
        script.discoveries += 1;
        let script = self.changed.wait_while(script, |script| script.discovery_hangs).unwrap();
        let (panics, failure) = (script.discovery_panics, script.failure.clone());
        let error = if script.is_early { DiscoverError::not_yet } else { DiscoverError::new };
        drop(script);
        assert!(!panics, "a bug in discovery");
        failure.map_or(Ok(()), |failure| Err(error(failure)))
    }

    fn call(&self) {
        let mut script = self.script.lock().unwrap();
        script.calls += 1;
        let script = self.changed.wait_while(script, |script| script.calls_hang).unwrap();
        let panics = script.calls_panic;
        drop(script);
        assert!(!panics, "a bug in a call");
    }

    fn refuse(&self) -> Result<(), Refusal> {
        self.script(|script| script.refusal.clone()).map_or(Ok(()), |refusal| Err(Refusal::new(refusal)))
    }
}

pub(super) struct Colors {
    pub(super) controls: Arc<Controls>,
}

impl DevicePlugin for Colors {
    fn namespace(&self) -> &str {
        NAMESPACE
    }

    fn triggers(&self) -> Triggers {
        Triggers { folders: &[FOLDER], ..Triggers::default() }
    }

    fn prepare(&self, host: &Host) -> Vec<String> {
        // A colour that is `mixed` becomes a file once.
        let Ok(mixed) = host.read("/sys/mixed") else { return Vec::new() };
        match host.write(format!("{FOLDER}/{mixed}"), "units 1") {
            Ok(()) => Vec::new(),
            Err(error) => vec![error.to_string()],
        }
    }

    fn discover(&self, host: &Host) -> Result<Inventory, DiscoverError> {
        self.controls.discovery()?;
        look(host)
    }

    fn capabilities(&self) -> Capabilities {
        self.controls.script(|script| script.capabilities)
    }

    fn allocate(
        &self,
        _resource: &str,
        devices: &[(&str, &Device)],
        mut edits: ContainerEdits,
    ) -> Result<ContainerEdits, Refusal> {
        self.controls.call();
        self.controls.refuse()?;
        edits.env.insert("COLORS".to_owned(), ids(devices).join(","));
        Ok(edits)
    }

    fn prefer(&self, _resource: &str, choice: &policy::Choice<'_>) -> Vec<String> {
        self.controls.call();
        let must_include = choice.must_include.iter().map(ToString::to_string).collect();
        self.controls.script(|script| script.must_include.push(must_include));
        policy::first(choice)
    }

    fn pre_start(&self, _resource: &str, devices: &[(&str, &Device)]) -> Result<(), Refusal> {
        self.controls.script(|script| script.pre_starts.push(ids(devices)));
        assert!(!self.controls.script(|script| script.pre_start_panics), "a bug in a reset");
        self.controls.refuse()
    }

    fn list_size_flag(&self) -> Option<&'static str> {
        Some("-units")
    }
}

fn ids(devices: &[(&str, &Device)]) -> Vec<String> {
    devices.iter().map(|(id, _)| (*id).to_owned()).collect()
}

/// What the files say.
pub(super) fn look(host: &Host) -> Result<Inventory, DiscoverError> {
    let mut inventory = Inventory::default();
    if !host.exists(FOLDER) {
        return Ok(inventory);
    }
    for name in host.names(FOLDER)? {
        match host.read(format!("{FOLDER}/{name}")) {
            Ok(text) => add(host, &mut inventory, &name, &text),
            Err(error) => inventory.warn(error.to_string()),
        }
    }
    Ok(inventory)
}

fn add(host: &Host, inventory: &mut Inventory, name: &str, text: &str) {
    let (mut resource, mut units, mut health) = ("paint", None, Health::Healthy);
    let mut spec = DeviceSpec::default();
    for line in text.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        match key {
            "resource" => resource = value,
            "units" => units = Some(value.parse::<usize>().unwrap()),
            "sick" => health = Health::Unhealthy(value.to_owned()),
            "numa" => spec.numa = Some(value.split_whitespace().map(|id| id.parse().unwrap()).collect()),
            "node" => spec.add_node(host, value),
            "mount" => spec.edits.mounts.push(Mount::read_only(host, value)),
            "driver" => spec.expects.push(Expectation::Link {
                path: format!("/sys/colors/{name}/driver").into(),
                name: value.to_owned(),
            }),
            "says" => spec.expects.push(Expectation::Value {
                path: format!("/sys/colors/{name}/says").into(),
                value: value.to_owned(),
            }),
            "cdi" => {
                let (class, name) = value.split_once(' ').unwrap_or((value, name));
                let (kind, name) = (format!("{NAMESPACE}/{class}"), name.to_owned());
                spec.cdi = Some(CdiDevice { kind, name, ..CdiDevice::default() });
            }
            "look" => inventory.resync = Some(Duration::from_secs(value.parse().unwrap())),
            "warn" => inventory.warn(format!("{name}: {value}")),
            _ => panic!("unknown key {key:?} in {name}"),
        }
    }
    if let Some(cdi) = &mut spec.cdi {
        cdi.edits = spec.edits.clone();
    }
    let spec = Arc::new(spec);
    let device = Device { health, spec };
    let ids =
        units.map_or(vec![name.to_owned()], |units| (0..units).map(|i| format!("{name}-{i}")).collect());
    for id in ids {
        inventory.add(resource, id, device.clone());
    }
}
