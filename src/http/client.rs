//! Who is at the other end of a connection.

use std::net::IpAddr;

/// The address at the other end of the connection: a visitor's, or that of the proxy before us.
/// Every request carries it in its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);
