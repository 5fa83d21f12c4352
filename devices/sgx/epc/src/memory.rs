//! How much memory for enclaves the processor has: the Enclave Page Cache (EPC), whose sections it lists in CPUID leaf 12H
//! (Intel SDM volume 3D, "Intel SGX Resource Enumeration Leaves").

/// The leaf of the structured extended features; bit 2 of EBX is SGX.
const FEATURES: u32 = 0x7;
const SGX: u32 = 1 << 2;
/// The leaf of SGX itself: sections of the EPC are its subleaves from 2 on.
const SECTIONS: u32 = 0x12;
/// So many sections the kernel takes (`SGX_MAX_EPC_SECTIONS`): one for each socket.
const MAX_SECTIONS: u32 = 8;

/// What the processor answers to one subleaf.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Registers {
    /// EAX.
    pub eax: u32,
    /// EBX.
    pub ebx: u32,
    /// ECX.
    pub ecx: u32,
    /// EDX.
    pub edx: u32,
}

/// Asks the processor for a leaf and a subleaf.
pub type Cpuid = fn(leaf: u32, subleaf: u32) -> Registers;

/// The processor that this runs on. It has no leaves at all where there is no CPUID, on other architectures.
pub fn processor(leaf: u32, subleaf: u32) -> Registers {
    #[cfg(target_arch = "x86_64")]
    {
        let core::arch::x86_64::CpuidResult { eax, ebx, ecx, edx } =
            core::arch::x86_64::__cpuid_count(leaf, subleaf);
        Registers { eax, ebx, ecx, edx }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = (leaf, subleaf);
        Registers::default()
    }
}

/// The size of all sections together, in bytes; 0 where there is no SGX, or firmware has it off.
pub fn epc_bytes(cpuid: Cpuid) -> u64 {
    // Above its last leaf a processor answers with that one again.
    let last_leaf = cpuid(0, 0).eax;
    if last_leaf < SECTIONS || cpuid(FEATURES, 0).ebx & SGX == 0 {
        return 0;
    }
    let sections = (2..2 + MAX_SECTIONS).map(|subleaf| cpuid(SECTIONS, subleaf));
    let sections = sections.take_while(|section| kind(*section) != 0);
    sections.filter(|section| kind(*section) == 1).map(size).sum()
}

/// 0 ends the list, 1 is a section of the EPC; others are for the future.
fn kind(section: Registers) -> u32 {
    section.eax & 0xf
}

/// Of at most 52 bits, so that no sum of eight overflows.
fn size(section: Registers) -> u64 {
    u64::from(section.ecx & 0xffff_f000) | (u64::from(section.edx & 0xf_ffff) << 32)
}
