//! Replicas of a server, and an API server in memory. Time is simulated: it passes when nothing is left to do.

mod broken;
mod deletion;
mod fake;
mod forever;
mod logs;
mod replica;
mod secrecy;
mod start;
mod trouble;
