//! The device plugin for Intel NPUs.
