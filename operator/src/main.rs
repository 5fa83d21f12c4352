//! `intel-device-plugins-operator`: what runs beside the API server.

fn main() {}
