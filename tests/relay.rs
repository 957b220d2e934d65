//! Changes carried between servers: the AMI message port, the RELAY trigger over messages and over PostgreSQL's protocol,
//! two servers that relay to each other, receivers that stall, refuse or die, and nothing lost or doubled over a crash.

#[path = "relay/node.rs"]
mod node;
#[path = "relay/port.rs"]
mod port;
#[path = "relay/durable.rs"]
mod durable;
#[path = "relay/hostile.rs"]
mod hostile;
#[path = "relay/messages.rs"]
mod messages;
#[path = "relay/postgres.rs"]
mod postgres;
#[path = "relay/tls.rs"]
mod tls;
