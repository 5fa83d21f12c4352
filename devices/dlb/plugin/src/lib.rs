//! The device plugin for Intel Dynamic Load Balancers.
