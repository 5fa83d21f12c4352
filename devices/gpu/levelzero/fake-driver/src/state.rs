//! The lines of the file:
//!
//! ```text
//! device 0000:03:00.0 driver=0 vendor=0x8086 integrated=1 memory=1:1024,3:1024 temperature=0:50,1:60.5 link=2:2
//! fail zesMemoryGetState 0x70010000
//! hang zesTemperatureGetState
//! ```
//!
//! `memory` are modules: health, bytes. `temperature` are sensors: kind, degrees Celsius. `link` is a status and its quality
//! issues. All but the address may be left out. A call that hangs does so until somebody opens the FIFO beside the file, its
//! name with `.gate`, for writing, and closes it.

use std::env;
use std::fs;

pub(crate) const SUCCESS: u32 = 0;
const UNKNOWN: u32 = 0x7fff_fffe;

#[derive(Default)]
pub(crate) struct State {
    pub(crate) devices: Vec<Device>,
    faults: Vec<(String, Fault)>,
}

#[derive(Clone, Copy)]
enum Fault {
    Fails(u32),
    Hangs,
}

pub(crate) struct Device {
    pub(crate) address: [u32; 4],
    pub(crate) driver: u32,
    pub(crate) vendor: u32,
    pub(crate) integrated: bool,
    pub(crate) memory: Vec<(u32, u64)>,
    pub(crate) temperature: Vec<(u32, f64)>,
    pub(crate) link: (u32, u32),
}

/// The state at a call, or what the call ends with.
pub(crate) fn at(call: &str) -> Result<State, u32> {
    let path = env::var_os("FAKE_ZE").ok_or(UNKNOWN)?;
    let text = fs::read_to_string(&path).map_err(|_unreadable| UNKNOWN)?;
    let state = read(&text).ok_or(UNKNOWN)?;
    match state.faults.iter().find(|(name, _)| name == call) {
        None => Ok(state),
        Some((_, Fault::Fails(code))) => Err(*code),
        Some((_, Fault::Hangs)) => {
            let mut gate = path;
            gate.push(".gate");
            fs::read(gate).map_err(|_no_gate| UNKNOWN)?;
            at(call)
        }
    }
}

fn read(text: &str) -> Option<State> {
    let mut state = State::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match *words.as_slice() {
            ["device", address, ref rest @ ..] => state.devices.push(device(address, rest)?),
            ["fail", call, code] => state.faults.push((call.to_owned(), Fault::Fails(number(code)?))),
            ["hang", call] => state.faults.push((call.to_owned(), Fault::Hangs)),
            _ => return None,
        }
    }
    Some(state)
}

fn device(address: &str, words: &[&str]) -> Option<Device> {
    let parts: Vec<u32> =
        address.split([':', '.']).map(|part| u32::from_str_radix(part, 16)).collect::<Result<_, _>>().ok()?;
    let mut device = Device {
        address: parts.try_into().ok()?,
        driver: 0,
        vendor: 0x8086,
        integrated: false,
        memory: Vec::new(),
        temperature: Vec::new(),
        link: (0, 0),
    };
    for word in words {
        let (key, value) = word.split_once('=')?;
        match key {
            "driver" => device.driver = number(value)?,
            "vendor" => device.vendor = number(value)?,
            "integrated" => device.integrated = value == "1",
            "memory" => device.memory = pairs(value, |size| size.parse().ok())?,
            "temperature" => device.temperature = pairs(value, |degrees| degrees.parse().ok())?,
            "link" => device.link = *pairs(value, number)?.first()?,
            _ => return None,
        }
    }
    Some(device)
}

fn pairs<T>(text: &str, second: impl Fn(&str) -> Option<T>) -> Option<Vec<(u32, T)>> {
    let pair = |text: &str| text.split_once(':').and_then(|(a, b)| Some((number(a)?, second(b)?)));
    text.split(',').map(pair).collect()
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
