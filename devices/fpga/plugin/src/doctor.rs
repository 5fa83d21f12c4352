//! What keeps a node from offering its FPGAs.

use doctor::hardware::{self, Function, Wanted};
use doctor::{Check, Doctor, Kind, Severity, count};
use fpga_programming::DRIVERS;
use host::{Host, number_of};

use crate::card;
use crate::idle::CARDS;

/// How a node's FPGAs are looked at.
pub static DOCTOR: Doctor = Doctor {
    examine: doctor,
    kinds: &[&NO_PORT, &NO_REGION],
    absent: "lspci -nn -d 8086::1200; is the card seated and has it power?",
};

const WANTED: Wanted<'_> =
    Wanted { drivers: &["dfl-pci", "intel-fpga-pci"], module: "dfl-pci", firmware: &[] };

static NO_PORT: Kind = Kind {
    id: "fpga-no-port",
    severity: Severity::Error,
    about: "a card has a driver and no port",
    why: "functions are reached through ports, so nothing is offered",
};
static NO_REGION: Kind = Kind {
    id: "fpga-no-region",
    severity: Severity::Warning,
    about: "a card has nothing that can be programmed",
    why: "nothing is offered in the modes `region` and `regiondevel`, and no function's name is known",
};

fn doctor(host: &Host) -> Option<Check> {
    let mut check = Check::new("fpga");
    let cards = hardware::functions(host, &mut check, &|device, _| CARDS.contains(&device.0));
    if cards.is_empty() {
        return None;
    }
    check.needs.huge_pages = true;
    let cards: Vec<&Function> = cards.iter().collect();
    hardware::say(&mut check, &cards, "card");
    hardware::drivers(host, &mut check, &cards, WANTED);
    let (mut nodes, mut ports) = (Vec::new(), 0);
    for driver in DRIVERS {
        for name in check.see(card::names(host, driver)).flatten().unwrap_or_default() {
            let folder = format!("{}/{name}", card::class(driver));
            let names = check.see(host.names(&folder)).unwrap_or_default();
            let of =
                |word: &str| names.iter().filter(|name| number_of(name, word).is_some()).cloned().collect();
            let (own_ports, engines): (Vec<String>, Vec<String>) =
                (of(driver.port_prefix()), of(driver.fme_prefix()));
            // A region that is programmed is in the same class as cards are, and has neither.
            if own_ports.is_empty() && engines.is_empty() {
                continue;
            }
            ports += own_ports.len();
            nodes.extend(own_ports.iter().chain(&engines).map(|name| format!("/dev/{name}")));
            for engine in engines {
                regions(host, &mut check, driver, &format!("{folder}/{engine}"));
            }
        }
    }
    hardware::nodes(host, &mut check, &nodes);
    let bound = cards
        .iter()
        .filter(|card| card.driver.as_deref().is_some_and(|driver| WANTED.drivers.contains(&driver)));
    if ports > 0 {
        check.fine(count(ports, "port"));
    } else if bound.count() > 0 {
        check.found(
            &NO_PORT,
            "no card of /sys/class/fpga_region or /sys/class/fpga has a port",
            "modprobe dfl-afu (or intel-fpga-afu), and see dmesg",
        );
    }
    Some(check)
}

fn regions(host: &Host, check: &mut Check, driver: &dyn fpga_programming::Driver, engine: &str) {
    let Some(folder) = check.see(host.resolve(engine)) else { return };
    if check.see(driver.interface_files(host, &folder)).is_some_and(|files| files.is_empty()) {
        check.found(
            &NO_REGION,
            format!("{engine} has no region"),
            "modprobe -a dfl-fme dfl-fme-mgr dfl-fme-br dfl-fme-region (or intel-fpga-fme)",
        );
    }
}
