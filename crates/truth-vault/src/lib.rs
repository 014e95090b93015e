#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod address;

pub use address::{Address, AddressError};
