//! Another vault, behind the HTTP API of its server.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use merkle_core::Hash;
use persistence::Address;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use truth_vault::{Summary, SyncError, SyncPeer};

use crate::bytes;

/// A server that is asked for its vault. Nothing it says is believed.
pub(crate) struct Remote {
    /// Name and port, as in its address.
    authority: String,
    name: String,
    tls: Option<Arc<ClientConfig>>,
    token: Option<String>,
}

#[derive(Deserialize)]
struct Summaries {
    root: String,
    summaries: Vec<Range>,
}

#[derive(Deserialize)]
struct Range {
    blobs: u64,
    hash: String,
}

#[derive(Deserialize)]
struct Addresses {
    addresses: Vec<String>,
}

impl Remote {
    /// The server at `url`, shown `token` if there is one. For `https`, `trusted` is a file with the
    /// certificate of the server, or of the authority that vouches for it.
    pub(crate) fn new(
        url: &str,
        token: Option<String>,
        trusted: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let (scheme, rest) = url
            .split_once("://")
            .context("an address begins with http:// or https://")?;
        let named = rest.trim_end_matches('/');
        ensure!(
            !named.contains(['/', '?', '@']),
            "an address ends behind its port: {url}"
        );
        let tls = match (scheme, trusted) {
            ("http", _) => None,
            ("https", Some(file)) => Some(Arc::new(trusting(file)?)),
            ("https", None) => bail!(
                "https needs --ca FILE: the certificate of the server, or of who vouches for it"
            ),
            _ => bail!("an address begins with http:// or https://, not {scheme}://"),
        };
        let port = if tls.is_some() { 443 } else { 80 };
        let has_port = named
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let authority = if has_port {
            named.to_owned()
        } else {
            format!("{named}:{port}")
        };
        let name = authority.rsplit_once(':').map_or(named, |(name, _)| name);
        let name = name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        Ok(Self {
            authority,
            name,
            tls,
            token,
        })
    }

    /// The body of an answer; none if there is nothing at `path`.
    fn get(&self, path: &str) -> anyhow::Result<Option<Box<dyn Read>>> {
        let at = || format!("{} does not answer", self.authority);
        let stream = TcpStream::connect(&self.authority).with_context(at)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        match &self.tls {
            None => self.ask(stream, path),
            Some(tls) => {
                let name = ServerName::try_from(self.name.clone())?;
                let connection = ClientConnection::new(Arc::clone(tls), name)?;
                self.ask(StreamOwned::new(connection, stream), path)
            }
        }
        .with_context(at)
    }

    fn ask(
        &self,
        mut stream: impl Read + Write + 'static,
        path: &str,
    ) -> anyhow::Result<Option<Box<dyn Read>>> {
        // Of HTTP/1.0: the answer is not in chunks, whatever is in between.
        let mut head = format!("GET {path} HTTP/1.0\r\nhost: {}\r\n", self.authority);
        if let Some(token) = &self.token {
            head += &format!("authorization: Bearer {token}\r\n");
        }
        stream.write_all((head + "\r\n").as_bytes())?;
        let mut answer = BufReader::new(stream);
        let line = line(&mut answer)?;
        let status = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = None;
        loop {
            let line = self::line(&mut answer)?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.trim().parse::<u64>()?);
            }
        }
        match status.as_str() {
            "200" => {}
            "404" => return Ok(None),
            "401" | "403" => bail!("it wants a token with the scope `read`: DIOTEC360_TOKEN"),
            other => bail!("it says {other}"),
        }
        let length = length.context("it does not say how long its answer is")?;
        Ok(Some(Box::new(Whole {
            left: length,
            bytes: answer,
        })))
    }

    fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, SyncError> {
        let read = || -> anyhow::Result<T> {
            let body = self.get(path)?.context("it is no server of a vault")?;
            let mut text = String::new();
            body.take(JSON_BYTES_MAX).read_to_string(&mut text)?;
            Ok(serde_json::from_str(&text)?)
        };
        read().map_err(|error| SyncError::Peer(error.into()))
    }
}

impl SyncPeer for Remote {
    fn root(&mut self) -> Result<Hash, SyncError> {
        let found: Summaries = self.json("/api/v1/vault/summaries")?;
        bytes::hash(&found.root).map_err(|_| SyncError::Inconsistent)
    }

    fn summaries(&mut self, prefix: &[u8]) -> Result<Vec<Summary>, SyncError> {
        let path = format!("/api/v1/vault/summaries?prefix={}", hex::encode(prefix));
        let found: Summaries = self.json(&path)?;
        let summary = |range: &Range| {
            let mut hash = [0; 32];
            hex::decode_to_slice(&range.hash, &mut hash).map_err(|_| SyncError::Inconsistent)?;
            Ok(Summary {
                blobs: range.blobs,
                hash,
            })
        };
        found.summaries.iter().map(summary).collect()
    }

    fn addresses(&mut self, prefix: &[u8]) -> Result<Vec<Address>, SyncError> {
        let path = format!("/api/v1/vault/addresses?prefix={}", hex::encode(prefix));
        let found: Addresses = self.json(&path)?;
        let address = |text: &String| text.parse().map_err(|_| SyncError::Inconsistent);
        found.addresses.iter().map(address).collect()
    }

    fn blob<'p>(&'p mut self, address: &Address) -> Result<Option<Box<dyn Read + 'p>>, SyncError> {
        let found = self.get(&format!("/api/v1/vault/blobs/{address}"));
        let found = found.map_err(|error| SyncError::Peer(error.into()))?;
        Ok(found.map(|body| body as Box<dyn Read + 'p>))
    }
}

/// A body of known length: one that ends before is an error, not its end.
struct Whole<R> {
    left: u64,
    bytes: R,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.bytes.read(&mut buffer[..most])?;
        if count == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// A line of the head of an answer.
fn line(answer: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    let read = answer.by_ref().take(LINE_BYTES_MAX).read_line(&mut line)?;
    ensure!(
        read > 0 && line.ends_with('\n'),
        "it ended within the head of its answer"
    );
    Ok(line.trim_end().to_owned())
}

/// Whether an error comes from a certificate that was not accepted.
pub(crate) fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        // An error of I/O shows what it holds as its source only one further down.
        let held = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let held = held.and_then(|held| held.downcast_ref::<rustls::Error>());
        let held = held.or_else(|| error.downcast_ref());
        if matches!(held, Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        next = error.source();
    }
    false
}

fn trusting(file: &Path) -> anyhow::Result<ClientConfig> {
    let read = || format!("cannot read certificates from {}", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).with_context(read)? {
        roots.add(certificate.with_context(read)?)?;
    }
    ensure!(
        !roots.is_empty(),
        "there is no certificate in {}",
        file.display()
    );
    let config = ClientConfig::builder().with_root_certificates(roots);
    Ok(config.with_no_client_auth())
}

/// How long a server may say nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of answers that are not blobs: 10,000 addresses are less than 1 MiB.
const JSON_BYTES_MAX: u64 = 4 << 20;

const LINE_BYTES_MAX: u64 = 16 << 10;
