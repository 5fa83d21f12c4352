//! The device plugin for Intel DSA and IAA.
