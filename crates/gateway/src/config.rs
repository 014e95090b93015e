//! What an operator may choose, read from a TOML file; every field has a default.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// How the server listens, whom it lets in and what it refuses.
///
/// Unknown fields are refused: a misspelt limit is no limit.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Where it listens.
    pub listen: Listen,
    /// Who may ask.
    pub access: Access,
    /// What is too much.
    pub limits: Limits,
    /// Where backups go.
    pub backups: Backups,
}

/// Where backups go.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Backups {
    /// The folder that backups asked for over HTTP are written into; without one, none are made. A folder
    /// on the disk of the data is lost with it.
    pub folder: Option<PathBuf>,
}

/// Where the server listens.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Listen {
    /// Address and port; port 0 lets the system choose. Default `127.0.0.1:3600`.
    pub address: SocketAddr,
    /// Certificate and key, for TLS; none by default.
    pub tls: Option<Tls>,
}

/// Files for TLS, in PEM. Read once, at the start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Tls {
    /// The certificate, followed by those that lead to the authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Whom the server lets in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Access {
    /// Whether every request needs a token. `auto`, the default, needs one as soon as the token
    /// file holds one or the address is not loopback.
    pub tokens: TokenPolicy,
    /// Names by which clients may call the server, beside its address and `localhost`. A request
    /// for another name is refused: a foreign page must not reach a loopback server by a name of its own.
    pub hosts: Vec<String>,
}

/// When a request needs a token.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TokenPolicy {
    /// With tokens in the file, or beyond loopback.
    #[default]
    Auto,
    /// Always.
    Required,
    /// Never; refused beyond loopback.
    Off,
}

/// What is too much. A limit of 0 would be no server, and is refused, except where 0 is said to mean none.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a JSON body. Default 1 MiB.
    pub body_bytes_max: usize,
    /// Bytes of an uploaded blob. Default 1 GiB.
    pub blob_bytes_max: u64,
    /// Connections at a time; more are told to come back. Default 4,096.
    pub connections_max: usize,
    /// Requests in work at a time; more are told to come back. Default 1,024.
    pub requests_max: usize,
    /// Requests a second for each token, or for each address without one, on average; 0 for no
    /// limit. Default 0 on loopback and 100 beyond.
    pub requests_per_second: Option<u32>,
    /// Requests that may come at once before the average counts. Default 10 seconds' worth.
    pub burst: Option<u32>,
    /// Milliseconds for a request, its body included, until its answer begins. Default 30,000.
    pub request_ms: u64,
    /// Milliseconds for the head of a request, and for the pause between two. Default 15,000.
    pub header_ms: u64,
    /// Milliseconds without a byte after which a streamed body is given up. Default 30,000.
    pub idle_ms: u64,
    /// Milliseconds for running requests to finish once the server is told to stop. Default 20,000.
    pub drain_ms: u64,
    /// Calls into the stores at a time, each on a thread. Default 128.
    pub store_calls_max: usize,
    /// Event streams at a time. Default 64.
    pub event_streams_max: usize,
    /// Blobs on their way in or out at a time; more are told to come back. Default 32.
    pub blob_streams_max: usize,
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It is not the TOML that is expected; the message names the line.
    #[error("the configuration is not valid")]
    Syntax(#[source] Box<toml::de::Error>),
    /// A limit is 0.
    #[error("limits.{name} is 0, which would refuse everything")]
    ZeroLimit {
        /// The field.
        name: &'static str,
    },
    /// It would let anybody in from other machines.
    #[error(
        "listening on {address} without tokens would let anybody in: create one with `diotec360 token create`, or listen on 127.0.0.1"
    )]
    OpenToOthers {
        /// Where it was to listen.
        address: SocketAddr,
    },
}

impl Config {
    /// Reads a configuration file's text.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Syntax`] or [`ConfigError::ZeroLimit`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self =
            toml::from_str(text).map_err(|error| ConfigError::Syntax(Box::new(error)))?;
        config.limits.check()?;
        Ok(config)
    }

    /// Whether requests need a token, given whether the token file holds any.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OpenToOthers`]: beyond loopback nobody is let in without a token.
    pub fn needs_token(&self, any_token: bool) -> Result<bool, ConfigError> {
        let address = self.listen.address;
        let local = address.ip().is_loopback();
        let open = ConfigError::OpenToOthers { address };
        match self.access.tokens {
            TokenPolicy::Off if local => Ok(false),
            TokenPolicy::Off => Err(open),
            TokenPolicy::Auto | TokenPolicy::Required if !local && !any_token => Err(open),
            TokenPolicy::Auto => Ok(any_token || !local),
            TokenPolicy::Required => Ok(true),
        }
    }

    /// Requests a second for each caller, and how many at once; `None` for no limit.
    pub(crate) fn rate(&self) -> Option<(u32, u32)> {
        let default = if self.listen.address.ip().is_loopback() {
            0
        } else {
            100
        };
        let rate = self.limits.requests_per_second.unwrap_or(default);
        let burst = self.limits.burst.unwrap_or(rate.saturating_mul(10)).max(1);
        (rate > 0).then_some((rate, burst))
    }
}

impl Limits {
    fn check(&self) -> Result<(), ConfigError> {
        let zeros = [
            ("body_bytes_max", self.body_bytes_max == 0),
            ("blob_bytes_max", self.blob_bytes_max == 0),
            ("connections_max", self.connections_max == 0),
            ("requests_max", self.requests_max == 0),
            ("request_ms", self.request_ms == 0),
            ("header_ms", self.header_ms == 0),
            ("idle_ms", self.idle_ms == 0),
            ("store_calls_max", self.store_calls_max == 0),
            ("event_streams_max", self.event_streams_max == 0),
            ("blob_streams_max", self.blob_streams_max == 0),
        ];
        match zeros.into_iter().find(|(_, zero)| *zero) {
            Some((name, _)) => Err(ConfigError::ZeroLimit { name }),
            None => Ok(()),
        }
    }

    pub(crate) fn request(&self) -> Duration {
        Duration::from_millis(self.request_ms)
    }

    pub(crate) fn header(&self) -> Duration {
        Duration::from_millis(self.header_ms)
    }

    pub(crate) fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms)
    }

    pub(crate) fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3600),
            tls: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            blob_bytes_max: 1 << 30,
            connections_max: 4_096,
            requests_max: 1_024,
            requests_per_second: None,
            burst: None,
            request_ms: 30_000,
            header_ms: 15_000,
            idle_ms: 30_000,
            drain_ms: 20_000,
            store_calls_max: 128,
            event_streams_max: 64,
            blob_streams_max: 32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str, tokens: TokenPolicy) -> Config {
        let mut config = Config::default();
        config.listen.address = address.parse().unwrap();
        config.access.tokens = tokens;
        config
    }

    #[test]
    fn an_empty_file_is_the_default_on_loopback() {
        let config = Config::parse("").unwrap();
        assert!(config.listen.address.ip().is_loopback());
        assert!(!config.needs_token(false).unwrap());
        assert!(config.needs_token(true).unwrap());
        assert_eq!(config.rate(), None);
    }

    #[test]
    fn refuses_to_let_anybody_in_beyond_loopback() {
        for policy in [TokenPolicy::Auto, TokenPolicy::Required, TokenPolicy::Off] {
            let config = at("0.0.0.0:1", policy);
            assert!(config.needs_token(false).is_err(), "{policy:?}");
        }
        assert!(at("0.0.0.0:1", TokenPolicy::Off).needs_token(true).is_err());
        assert!(at("[::]:1", TokenPolicy::Auto).needs_token(true).unwrap());
        assert_eq!(
            at("0.0.0.0:1", TokenPolicy::Auto).rate(),
            Some((100, 1_000))
        );
    }

    #[test]
    fn refuses_a_misspelt_field_and_a_limit_of_zero() {
        let misspelt = Config::parse("[limits]\nbody_byte_max = 1");
        assert!(matches!(misspelt, Err(ConfigError::Syntax(_))));
        let zero = Config::parse("[limits]\nrequests_max = 0");
        assert!(matches!(
            zero,
            Err(ConfigError::ZeroLimit {
                name: "requests_max"
            })
        ));
    }

    #[test]
    fn the_page_about_it_shows_the_defaults() {
        let page = include_str!("../../../docs/configuration.md");
        let block = page
            .split("```")
            .nth(1)
            .and_then(|block| block.strip_prefix("toml"));
        let mut shown = Config::parse(block.unwrap()).unwrap();
        assert_eq!(shown.limits.requests_per_second, Some(0));
        shown.limits.requests_per_second = None; // what is left out: 0 on loopback
        assert_eq!(format!("{shown:?}"), format!("{:?}", Config::default()));
    }
}
