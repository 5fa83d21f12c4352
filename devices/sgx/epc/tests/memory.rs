//! How much enclave memory processors have, by what they answer.
#![expect(clippy::unwrap_used, reason = "tests")]

use sgx_epc::{Registers, epc_bytes, processor};

const NONE: Registers = Registers { eax: 0, ebx: 0, ecx: 0, edx: 0 };

fn last_leaf(eax: u32) -> Registers {
    Registers { eax, ..NONE }
}

fn features() -> Registers {
    Registers { ebx: 1 << 2, ..NONE }
}

/// A section of `bytes`, with flags in the bits that are no address.
fn section(bytes: u64) -> Registers {
    let word = |bits: u64| u32::try_from(bits & 0xffff_ffff).unwrap();
    let (ecx, edx) = (word(bytes), word(bytes >> 32));
    Registers { eax: 0x7000_0001, ebx: 0x12, ecx: ecx | 1, edx: edx | 0xfff0_0000 }
}

#[test]
fn sections_of_all_sockets_are_added() {
    let bytes = epc_bytes(|leaf, subleaf| match (leaf, subleaf) {
        (0, _) => last_leaf(0x1b),
        (7, 0) => features(),
        (0x12, 2) => section(0x5d8_0000),
        (0x12, 3) => section(64 << 30),
        (0x12, 0 | 1) => section(1 << 40),
        _ => NONE,
    });
    assert_eq!(bytes, 0x5d8_0000 + (64 << 30));
}

#[test]
fn the_first_invalid_subleaf_ends_the_list() {
    let bytes = epc_bytes(|leaf, subleaf| match (leaf, subleaf) {
        (0, _) => last_leaf(0x12),
        (7, 0) => features(),
        (0x12, 2 | 4) => section(1 << 30),
        _ => NONE,
    });
    assert_eq!(bytes, 1 << 30);
}

#[test]
fn subleaves_of_another_kind_are_passed_over() {
    let bytes = epc_bytes(|leaf, subleaf| match (leaf, subleaf) {
        (0, _) => last_leaf(0x12),
        (7, 0) => features(),
        (0x12, 2) => Registers { eax: 2, ..section(1 << 30) },
        (0x12, 3) => section(2 << 30),
        _ => NONE,
    });
    assert_eq!(bytes, 2 << 30);
}

#[test]
fn a_list_without_an_end_is_eight_sections() {
    let bytes = epc_bytes(|leaf, _| match leaf {
        0 => last_leaf(0x12),
        7 => features(),
        _ => section((1 << 52) - 4096),
    });
    assert_eq!(bytes, 8 * ((1 << 52) - 4096));
}

#[test]
fn a_processor_without_sgx_has_none() {
    let without = |leaf, _| match leaf {
        0 => last_leaf(0x12),
        7 => Registers { ebx: !(1 << 2), ..NONE },
        _ => section(1 << 30),
    };
    assert_eq!(epc_bytes(without), 0);
    // Above its last leaf, a processor answers with that one, whatever is asked for.
    let old = |leaf, _| if leaf == 0 { last_leaf(0xd) } else { Registers { ebx: !0, ..section(1 << 30) } };
    assert_eq!(epc_bytes(old), 0);
    assert_eq!(epc_bytes(|_, _| NONE), 0);
}

#[test]
fn this_processor_can_be_asked() {
    assert_eq!(epc_bytes(processor) % 4096, 0);
}
