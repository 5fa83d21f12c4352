//! Where virtual functions will be.

use host::{Host, PciAddress};

/// The addresses of the first `count` virtual functions of `physical` (PCI Express Base Specification, "First VF Offset"
/// and "VF Stride"; Linux has them in sysfs since 4.15), if they are known before these are enabled.
pub(crate) fn of_virtual_functions(host: &Host, physical: PciAddress, count: u16) -> Option<Vec<PciAddress>> {
    let read = |name: &str| {
        let path = format!("/sys/bus/pci/devices/{physical}/{name}");
        host.parse::<u16>(path, "a distance of functions").ok()
    };
    let (offset, stride) = (read("sriov_offset")?, read("sriov_stride")?);
    if offset == 0 || (stride == 0 && count > 1) {
        // Hardware may know it only when they are enabled.
        return None;
    }
    (0..count).map(|number| distant(physical, offset.checked_add(stride.checked_mul(number)?)?)).collect()
}

/// The function that is `distance` away, across devices and buses.
fn distant(from: PciAddress, distance: u16) -> Option<PciAddress> {
    let id = u16::from(from.bus) << 8 | u16::from(from.device) << 3 | u16::from(from.function);
    let [bus, rest] = id.checked_add(distance)?.to_be_bytes();
    Some(PciAddress { bus, device: rest >> 3, function: rest & 7, ..from })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_functions_are_counted_across_devices_and_buses() {
        let at = |text: &str| text.parse::<PciAddress>().unwrap();
        let from = at("0000:6b:00.0");
        for (distance, expected) in [
            (1, "0000:6b:00.1"),
            (7, "0000:6b:00.7"),
            (8, "0000:6b:01.0"),
            (16, "0000:6b:02.0"),
            (256, "0000:6c:00.0"),
        ] {
            assert_eq!(distant(from, distance), Some(at(expected)));
        }
        assert_eq!(distant(at("10000:ff:1f.6"), 1), Some(at("10000:ff:1f.7")));
        assert_eq!(distant(at("0000:ff:1f.7"), 1), None);
    }
}
