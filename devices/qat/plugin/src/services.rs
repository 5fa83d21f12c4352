//! What a QAT is configured for, and how a resource of it is called
//! (`cfg_services` in `Documentation/ABI/testing/sysfs-driver-qat`; `dev_cfg` in debugfs, which older drivers have too).

use device_plugin::error_chain;
use host::{Host, PciFunction};

/// The resource of hardware whose services nobody chooses, or whose services are not known.
pub(crate) const GENERIC: &str = "generic";

/// In the order in which the kernel lists them, whatever the order in which they were asked for (`adf_cfg_services.c`,
/// since Linux 6.15).
pub(crate) const SERVICES: [&str; 5] = ["asym", "sym", "dc", "decomp", "dcc"];

/// The folder of a physical function in debugfs, `None` where it has no driver. Always below `/sys/kernel/debug`, wherever
/// the function sits.
pub(crate) fn debug_folder(function: &PciFunction) -> Option<String> {
    let driver = function.driver().ok()??;
    Some(format!("/sys/kernel/debug/qat_{driver}_{}", function.address()))
}

/// The resource that the virtual functions of a physical one belong to: its services with dashes between.
pub(crate) fn resource_of(host: &Host, function: &PciFunction, warn: &mut impl FnMut(String)) -> String {
    let at = function.address();
    let name = read(host, function)
        .and_then(|services| resource(&services).map_err(|why| format!("{services:?}: {why}")));
    name.unwrap_or_else(|error| {
        warn(format!(
            "virtual functions of {at} are offered as {GENERIC}: its services are not known: {error}"
        ));
        GENERIC.to_owned()
    })
}

/// The services as the kernel writes them, with semicolons between.
fn read(host: &Host, function: &PciFunction) -> Result<String, String> {
    match host.read(function.folder().join("qat/cfg_services")) {
        Ok(services) if !services.is_empty() => return Ok(services),
        Err(error) if !error.is_not_found() => return Err(error_chain(&error)),
        // Linux before 6.0 has none, nor have drivers from elsewhere.
        _ => {}
    }
    let folder = debug_folder(function).ok_or("it has no driver")?;
    let config = host.read(format!("{folder}/dev_cfg")).map_err(|error| error_chain(&error))?;
    Ok(setting(&config, "GENERAL", "ServicesEnabled").unwrap_or_default())
}

/// The last value of a key in a section of an INI file. No comment follows a value, which may hold semicolons.
fn setting(text: &str, section: &str, key: &str) -> Option<String> {
    let mut is_here = false;
    let mut found = None;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            is_here = name.trim() == section;
        } else if let Some((name, value)) = line.split_once(['=', ':'])
            && is_here
            && name.trim() == key
        {
            found = Some(unquoted(value.trim()).to_owned());
        }
    }
    found
}

fn unquoted(value: &str) -> &str {
    let inner = ['"', '\'', '`'].into_iter().find_map(|q| value.strip_prefix(q)?.strip_suffix(q));
    inner.unwrap_or(value)
}

/// The name of the resource with these services. Equal services have one name, whatever their order: the one that the
/// kernel's order gives, but `cy` for what was called so before there was a choice. The error is why there is no such
/// name.
fn resource(services: &str) -> Result<String, &'static str> {
    let mut names: Vec<&str> = Vec::new();
    for name in services.split(';').map(str::trim).filter(|name| !name.is_empty()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.sort_by_key(|name| SERVICES.iter().position(|known| known == name).unwrap_or(SERVICES.len()));
    let name = names.join("-");
    match name.as_str() {
        "" => Ok(GENERIC.to_owned()),
        "asym-sym" => Ok("cy".to_owned()),
        _ if is_legal(&name) => Ok(name),
        _ => Err("Kubernetes accepts no resource of that name"),
    }
}

fn is_legal(name: &str) -> bool {
    let ends = [name.bytes().next(), name.bytes().next_back()];
    name.len() <= 63
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && ends.iter().flatten().all(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_reference_accepts_keeps_the_name_that_it_gives() {
        let names = [
            ("sym", "sym"),
            ("asym", "asym"),
            ("sym;asym", "cy"),
            ("asym;sym", "cy"),
            ("dc", "dc"),
            ("sym;dc", "sym-dc"),
            ("asym;dc", "asym-dc"),
            ("dcc", "dcc"),
            ("decomp", "decomp"),
            ("asym;sym;dc", "asym-sym-dc"),
            ("asym;sym;decomp", "asym-sym-decomp"),
        ];
        for (services, name) in names {
            assert_eq!(resource(services), Ok(name.to_owned()), "{services}");
        }
    }

    #[test]
    fn every_order_gives_one_name() {
        for services in ["dc;asym;sym", "dc;sym;asym", "sym;dc;asym", "sym;asym;dc", "asym;dc;sym"] {
            assert_eq!(resource(services), Ok("asym-sym-dc".to_owned()), "{services}");
        }
        assert_eq!(resource("dc;sym"), Ok("sym-dc".to_owned()));
        assert_eq!(resource("dc;asym"), Ok("asym-dc".to_owned()));
        assert_eq!(resource("decomp;dc;sym;asym"), Ok("asym-sym-dc-decomp".to_owned()));
    }

    #[test]
    fn names_are_legal() {
        for services in ["", ";", " ; "] {
            assert_eq!(resource(services), Ok(GENERIC.to_owned()), "{services:?}");
        }
        assert_eq!(resource("sym;"), Ok("sym".to_owned()));
        assert_eq!(resource("sym ; asym"), Ok("cy".to_owned()));
        assert_eq!(resource("dc;dc"), Ok("dc".to_owned()));
        // What a later kernel may bring.
        assert_eq!(resource("kpt;sym"), Ok("sym-kpt".to_owned()));
        for services in ["a b", "-dc", "dc_", "größe", &"x".repeat(64)] {
            assert!(resource(services).is_err(), "{services:?}");
        }
    }

    #[test]
    fn settings_are_read_as_the_reference_reads_them() {
        let of = |text: &str| setting(text, "GENERAL", "ServicesEnabled");
        assert_eq!(of("[GENERAL]\nServicesEnabled = sym;asym\n"), Some("sym;asym".to_owned()));
        assert_eq!(of("[GENERAL]\nServicesEnabled:dc"), Some("dc".to_owned()));
        assert_eq!(of("[GENERAL]\r\n  ServicesEnabled = \"sym;dc\" \r\n"), Some("sym;dc".to_owned()));
        let twice = "[GENERAL]\nServicesEnabled = dc\n[KERNEL]\nServicesEnabled = dcc\n[GENERAL]\nServicesEnabled = sym";
        assert_eq!(of(twice), Some("sym".to_owned()));
        for text in [
            "",
            "ServicesEnabled = dc",
            "[general]\nServicesEnabled = dc",
            "[GENERAL]\nservicesenabled = dc",
            "[GENERAL]\n#ServicesEnabled = dc\n;ServicesEnabled = dc",
            "[GENERAL]\nServicesEnabled",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
