//! The admission server, asked by real clients over TLS.

#[cfg(test)]
mod server {
    mod certificates;
    mod limits;
    mod protocols;
    mod requests;
    mod stop;
    mod warnings;
    mod world;
}
