//! Certificates that an admission server makes for itself.
