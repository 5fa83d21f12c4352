//! Addresses to listen on, as flags have them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Reads the address that a flag says: `127.0.0.1:9090`, or Go's `:9090` for all addresses of the machine. Empty or `0` is none.
///
/// # Errors
/// When the text is no address; names of hosts are none.
pub fn address(flag: &str, text: &str) -> Result<Option<SocketAddr>, String> {
    if matches!(text, "" | "0") {
        return Ok(None);
    }
    let error = |error: &dyn std::fmt::Display| {
        format!("-{flag} {text:?} is no address like 127.0.0.1:9090 or :9090: {error}")
    };
    if let Some(port) = text.strip_prefix(':') {
        let port: u16 = port.parse().map_err(|bad| error(&bad))?;
        return Ok(Some(SocketAddr::new(any(), port)));
    }
    text.parse().map(Some).map_err(|bad| error(&bad))
}

/// All addresses of the machine: those of both protocols, unless its kernel has no IPv6.
fn any() -> IpAddr {
    let six = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    if UdpSocket::bind((six, 0)).is_ok() { six } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_one_all_or_none() {
        let read = |text| address("to", text);
        assert_eq!(read("127.0.0.1:80"), Ok(Some(SocketAddr::from(([127, 0, 0, 1], 80)))));
        assert_eq!(read("[::1]:80"), Ok(Some(SocketAddr::from((Ipv6Addr::LOCALHOST, 80)))));
        let all = read(":9090").unwrap().unwrap();
        assert!(all.ip().is_unspecified() && all.port() == 9090, "{all}");
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("0"), Ok(None));
    }

    #[test]
    fn what_is_no_address_is_told_with_the_flag() {
        for text in ["9090", ":", ":99999", ":-1", "localhost:9090", "127.0.0.1"] {
            let error = address("to", text).unwrap_err();
            assert!(error.starts_with(&format!("-to {text:?} is no address")), "{error}");
        }
    }
}
