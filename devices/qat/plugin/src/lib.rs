//! The device plugin for Intel QAT.
