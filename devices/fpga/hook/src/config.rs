//! What the hook needs of a bundle's `config.json`
//! (<https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#devices>).

use std::io::Read;

use host::DeviceNumber;
use serde::Deserialize;

/// Those of containers with thousands of variables and mounts are below.
const MAX_CONFIG: u64 = 16 << 20;

/// What can be wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read it")]
    Read(#[source] std::io::Error),
    /// It does not end.
    #[error("it is longer than {MAX_CONFIG} bytes")]
    TooLong,
    /// It is no JSON, or not of this shape.
    #[error("it is no container's configuration in JSON")]
    Syntax(#[source] serde_json::Error),
    /// The container has no variables.
    #[error("process.env is empty: the container does not say what is to be programmed")]
    NoEnvironment,
    /// The container has no devices.
    #[error("linux.devices is empty: the container has no FPGA port")]
    NoDevices,
}

/// What a container is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Its variables, each `NAME=VALUE` as a rule.
    pub environment: Vec<String>,
    /// The numbers of its character devices, in their order.
    pub devices: Vec<DeviceNumber>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    process: Process,
    #[serde(default)]
    linux: Linux,
}

#[derive(Deserialize, Default)]
struct Process {
    #[serde(default)]
    env: Vec<String>,
}

#[derive(Deserialize, Default)]
struct Linux {
    #[serde(default)]
    devices: Vec<Device>,
}

#[derive(Deserialize)]
struct Device {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    major: i64,
    #[serde(default)]
    minor: i64,
}

impl Config {
    /// Reads a configuration, all of it.
    pub fn read(input: impl Read) -> Result<Self, ConfigError> {
        let mut text = Vec::new();
        input.take(MAX_CONFIG + 1).read_to_end(&mut text).map_err(ConfigError::Read)?;
        if text.len() as u64 > MAX_CONFIG {
            return Err(ConfigError::TooLong);
        }
        let Document { process, linux } = serde_json::from_slice(&text).map_err(ConfigError::Syntax)?;
        if process.env.is_empty() {
            return Err(ConfigError::NoEnvironment);
        }
        if linux.devices.is_empty() {
            return Err(ConfigError::NoDevices);
        }
        Ok(Self {
            environment: process.env,
            devices: linux.devices.iter().filter_map(Device::number).collect(),
        })
    }
}

impl Device {
    /// `None` for what is no character device.
    fn number(&self) -> Option<DeviceNumber> {
        let is_character_device = ["c", "u"].contains(&self.kind.as_str());
        let (major, minor) = (self.major.try_into().ok()?, self.minor.try_into().ok()?);
        is_character_device.then_some(DeviceNumber { block: false, major, minor })
    }
}
