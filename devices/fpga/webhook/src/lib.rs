//! What readable names of FPGA functions in pods mean.
