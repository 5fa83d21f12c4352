//! The device plugin for Intel SGX.
