//! What every request goes through before a handler sees it, and after.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tokio::sync::{Semaphore, watch};
use tracing::Instrument;

use crate::auth::{Principal, Scope, Secret, TokenError, Tokens};
use crate::clock::now_ns;
use crate::config::{Config, ConfigError};
use crate::headers;
use crate::pool::Pool;
use crate::problem::{Kind, Problem, chain};
use crate::rate::RateLimit;
use crate::request_id::{REQUEST_ID, RequestIds};
use crate::telemetry::{Labels, Telemetry};

/// The server around the stores.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) config: Config,
    pub(crate) telemetry: Telemetry,
    pub(crate) pool: Pool,
    /// True once the server is to stop.
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) event_streams: Arc<Semaphore>,
    pub(crate) blob_streams: Arc<Semaphore>,
    pub(crate) tokens: Tokens,
    rate: Option<RateLimit>,
    requests: Semaphore,
    ids: RequestIds,
}

/// Why a server could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The configuration was refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The token file was refused.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// The system has no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[from] getrandom::Error),
}

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Routes whose bodies are streams: their own idle limit counts, not that of a request.
const STREAMED: &[(Method, &str)] = &[
    (Method::POST, "/api/v1/vault/blobs"),
    (Method::PUT, "/api/v1/vault/blobs/{address}"),
];

impl Shell {
    pub(crate) fn new(config: Config, tokens: &Path) -> Result<Self, SetupError> {
        let tokens = Tokens::open(tokens)?;
        let any = !tokens.current()?.tokens().is_empty();
        config.needs_token(any)?; // refused now rather than at the first request
        let rate = config
            .rate()
            .map(|(rate, burst)| RateLimit::new(rate, burst));
        Ok(Self {
            telemetry: Telemetry::new(),
            pool: Pool::new(config.limits.store_calls_max),
            stopping: watch::Sender::new(false),
            event_streams: Arc::new(Semaphore::new(config.limits.event_streams_max)),
            blob_streams: Arc::new(Semaphore::new(config.limits.blob_streams_max)),
            tokens,
            rate,
            requests: Semaphore::new(config.limits.requests_max),
            ids: RequestIds::new()?,
            config,
        })
    }

    /// Who asks; `None` for somebody without a token where one is needed.
    fn principal(&self, headers: &HeaderMap) -> Result<Option<Principal>, Problem> {
        let file = self
            .tokens
            .current()
            .map_err(|error| Problem::internal(&error))?;
        if let Some(given) = headers.get(AUTHORIZATION) {
            let bearer = given
                .to_str()
                .ok()
                .and_then(|text| text.strip_prefix("Bearer "));
            let holder = bearer
                .and_then(Secret::parse)
                .and_then(|secret| file.holder(&secret, now_ns()));
            let unknown = || {
                Problem::new(
                    Kind::Unauthorized,
                    "this token is unknown, revoked or expired",
                )
            };
            return holder.map(Some).ok_or_else(unknown);
        }
        let needed = self
            .config
            .needs_token(!file.tokens().is_empty())
            .unwrap_or(true);
        Ok((!needed).then_some(Principal::Local))
    }

    /// Refuses what a page of somebody else could have made a browser send.
    fn check_origin(
        &self,
        request: &Request,
        principal: Option<&Principal>,
    ) -> Result<(), Problem> {
        let headers = request.headers();
        let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
        if site == Some(b"cross-site") && !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Problem::new(
                Kind::Forbidden,
                "pages of other sites may not write here",
            ));
        }
        if principal != Some(&Principal::Local) {
            return Ok(()); // a token is no cookie: no page sends it unasked
        }
        let host = request.uri().host().map(str::to_owned);
        let host = host.or_else(|| headers.get(HOST)?.to_str().ok().map(name_of));
        match host {
            Some(host) if self.is_ours(&host) => Ok(()),
            _ => Err(Problem::new(
                Kind::Misdirected,
                "without tokens this server answers to its address and to localhost only: see access.hosts",
            )),
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().is_ok()
            || host == "localhost"
            || self
                .config
                .access
                .hosts
                .iter()
                .any(|own| own.eq_ignore_ascii_case(&host))
    }

    fn check_rate(&self, principal: Option<&Principal>, peer: Option<Peer>) -> Result<(), Problem> {
        let Some(rate) = &self.rate else {
            return Ok(());
        };
        let address = || peer.map_or_else(String::new, |Peer(address)| address.ip().to_string());
        let caller = match principal {
            Some(Principal::Token { id, .. }) => id.clone(),
            _ => address(),
        };
        if rate.allow(&caller, Instant::now()) {
            Ok(())
        } else {
            Err(Problem::new(
                Kind::TooManyRequests,
                "slow down: see Retry-After",
            ))
        }
    }
}

/// A host without its port.
fn name_of(host: &str) -> String {
    let port = host.rfind(':').filter(|at| !host[*at..].contains(']'));
    host[..port.unwrap_or(host.len())].to_owned()
}

/// Around every request: its name, its limits, who asks, what it took.
pub(crate) async fn guard(
    State(shell): State<Arc<Shell>>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let id = shell.ids.name(request.headers());
    let method = method_name(request.method());
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("(none)", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        method,
        route
    );

    shell.telemetry.in_work.inc();
    let (mut response, who) = admit(&shell, &route, request, next)
        .instrument(span.clone())
        .await;
    shell.telemetry.in_work.dec();

    let took = begun.elapsed();
    let status = response.status().as_u16();
    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    // Never the path or the query: keys and cursors in there are their owner's business.
    span.in_scope(|| tracing::info!(status, us, who, "answered"));
    let labels = Labels {
        method,
        route,
        status,
    };
    shell.telemetry.answered(labels, took);
    response.headers_mut().insert(REQUEST_ID, id);
    headers::secure(response.headers_mut(), shell.config.listen.tls.is_some());
    response
}

/// Lets a request in, within the limits, and answers it whatever the handler does.
async fn admit(shell: &Shell, route: &str, mut request: Request, next: Next) -> (Response, String) {
    let checked = check(shell, &request);
    let principal = match checked {
        Ok(principal) => principal,
        Err(problem) => return (problem.into_response(), String::new()),
    };
    let who = principal.as_ref().map(Principal::label).unwrap_or_default();
    let Ok(_permit) = shell.requests.try_acquire() else {
        let busy = Problem::new(Kind::Busy, "too many requests in work");
        return (busy.into_response(), who);
    };
    let streamed = STREAMED.contains(&(request.method().clone(), route));
    if let Some(principal) = principal {
        request.extensions_mut().insert(principal);
    }
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let result = if streamed {
        answer.await
    } else {
        let Ok(result) = tokio::time::timeout(shell.config.limits.request(), answer).await else {
            let slow = Problem::new(
                Kind::Timeout,
                "the request took too long; what it began may still finish",
            );
            return (slow.into_response(), who);
        };
        result
    };
    let response = result.unwrap_or_else(|_| {
        tracing::error!("a handler panicked");
        Problem::new(Kind::Internal, "").into_response()
    });
    (response, who)
}

fn check(shell: &Shell, request: &Request) -> Result<Option<Principal>, Problem> {
    let peer = request.extensions().get::<Peer>().copied();
    let principal = shell.principal(request.headers()).inspect_err(|_| {
        // Guessing tokens is counted against the guesser's address.
        let _ = shell.check_rate(None, peer);
    })?;
    shell.check_rate(principal.as_ref(), peer)?;
    shell.check_origin(request, principal.as_ref())?;
    Ok(principal)
}

/// Lets in whoever holds `scope`; for a group of routes.
pub(crate) async fn require(State(scope): State<Scope>, request: Request, next: Next) -> Response {
    let problem = match request.extensions().get::<Principal>() {
        None => Problem::new(Kind::Unauthorized, "send `Authorization: Bearer <token>`"),
        Some(principal) if !principal.may(scope) => Problem::new(
            Kind::Forbidden,
            format!("this token lacks the scope `{scope}`"),
        ),
        Some(_) => return next.run(request).await,
    };
    problem.into_response()
}

/// One of a few names, so that a caller cannot fill the counters with methods of its own.
fn method_name(method: &Method) -> &'static str {
    const KNOWN: [Method; 7] = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::HEAD,
        Method::PATCH,
        Method::OPTIONS,
    ];
    const NAMES: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"];
    let place = KNOWN.iter().position(|known| known == method);
    place.map_or("other", |place| NAMES[place])
}

/// Logs an error that ends the server's own work, with its causes.
pub(crate) fn log_failure(what: &'static str, error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(cause = %chain(error), "{what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_port_off_a_host() {
        for (host, name) in [
            ("localhost:3600", "localhost"),
            ("localhost", "localhost"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("127.0.0.1:1", "127.0.0.1"),
        ] {
            assert_eq!(name_of(host), name);
        }
    }

    #[test]
    fn answers_to_addresses_and_its_names_only() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.access.hosts.push("ledger.example".to_owned());
        let shell = Shell::new(config, &dir.path().join("tokens.json")).unwrap();
        for host in ["localhost", "127.0.0.1", "[::1]", "Ledger.Example"] {
            assert!(shell.is_ours(host), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "",
        ] {
            assert!(!shell.is_ours(host), "{host}");
        }
    }
}
