//! Listening: accepting connections, TLS, time limits, and stopping without losing an answer.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use persistence::WayOut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::idle::IdleLimit;
use crate::shell::{Peer, Shell, log_failure};
use crate::tls::{self, TlsError};

/// Why the server could not listen, or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: is another server running there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The certificate or the key was refused.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// How serving ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ended {
    /// Whether all running requests were done in time.
    pub drained: bool,
    /// The way out of panic mode that an administrator asked for: the caller drops the runtime, takes it with
    /// [`Persistence::recover`](persistence::Persistence::recover), and serves again.
    pub recovery: Option<Recovery>,
}

/// A way out of panic mode that is to be taken once the stores are closed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recovery {
    /// The way.
    pub way: WayOut,
    /// Why, and who asked for it.
    pub reason: String,
}

/// Where a handler leaves what is to be done once the stores are closed.
#[derive(Debug, Default)]
pub(crate) struct RecoveryDesk {
    asked: Mutex<Option<Recovery>>,
    rung: Notify,
}

impl RecoveryDesk {
    pub(crate) fn ask(&self, recovery: Recovery) {
        *self.asked.lock().unwrap_or_else(|held| held.into_inner()) = Some(recovery);
        self.rung.notify_one();
    }

    fn taken(&self) -> Option<Recovery> {
        let mut asked = self.asked.lock().unwrap_or_else(|held| held.into_inner());
        asked.take()
    }
}

/// A server that holds its port; connections wait until it serves.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    shell: Arc<Shell>,
    recovery: Arc<RecoveryDesk>,
}

const HEAD_BYTES_MAX: usize = 32 * 1024;
const HEADERS_MAX: usize = 100;
const STREAMS_MAX: u32 = 128;
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

impl Server {
    pub(crate) async fn bind(
        shell: Arc<Shell>,
        router: Router,
        recovery: Arc<RecoveryDesk>,
    ) -> Result<Self, ServeError> {
        let wanted = shell.config.listen.address;
        let refused = |source| ServeError::Listen {
            address: wanted,
            source,
        };
        let tls = shell
            .config
            .listen
            .tls
            .as_ref()
            .map(tls::acceptor)
            .transpose()?;
        let listener = TcpListener::bind(wanted).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self {
            listener,
            address,
            tls,
            router,
            shell,
            recovery,
        })
    }

    /// Where it listens, with the port the system chose where it was to choose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where a browser finds it.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Serves until `stop` is there, or an administrator asked for a way out of panic mode; then lets running
    /// requests finish, within the time the configuration gives them.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Ended {
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(self.shell.config.limits.connections_max));
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut stop => break,
                () = self.recovery.rung.notified() => break,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer, &places, &graceful),
                Err(error) => {
                    // Out of descriptors, mostly: that passes, and asking at once does not help.
                    log_failure("accepting failed", &error);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        drop(self.listener); // from here on connections are refused, not left to wait
        self.shell.stopping.send_replace(true);
        let drained = tokio::time::timeout(self.shell.config.limits.drain(), graceful.shutdown());
        Ended {
            drained: drained.await.is_ok(),
            recovery: self.recovery.taken(),
        }
    }

    fn take(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        places: &Arc<Semaphore>,
        graceful: &GracefulShutdown,
    ) {
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            self.shell.telemetry.refused.inc();
            tokio::spawn(turn_away(stream, self.tls.is_none()));
            return;
        };
        let connection = Connection {
            peer,
            router: self.router.clone(),
            shell: Arc::clone(&self.shell),
            watcher: graceful.watcher(),
            _place: place,
        };
        let tls = self.tls.clone();
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let stream = IdleLimit::new(stream, connection.shell.config.limits.idle());
            match tls {
                None => connection.serve(stream, false).await,
                Some(tls) => {
                    let limit = connection.shell.config.limits.header();
                    if let Ok(Ok(stream)) = tokio::time::timeout(limit, tls.accept(stream)).await {
                        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                        connection.serve(stream, http2).await;
                    }
                }
            }
        });
    }
}

/// One connection, and the place it takes.
struct Connection {
    peer: SocketAddr,
    router: Router,
    shell: Arc<Shell>,
    watcher: Watcher,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve<S>(self, stream: S, http2: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.shell.telemetry.connections.inc();
        let (router, peer) = (self.router, Peer(self.peer));
        let service = service_fn(move |request| answer(router.clone(), peer, request));
        let stream = TokioIo::new(stream);
        let header = self.shell.config.limits.header();
        // How a connection ends is its client's business: nothing to do about an error here.
        if http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .keep_alive_interval(header)
                .keep_alive_timeout(header)
                .max_concurrent_streams(STREAMS_MAX)
                .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX));
            let _ = self
                .watcher
                .watch(builder.serve_connection(stream, service))
                .await;
        } else {
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(header)
                .max_headers(HEADERS_MAX)
                .max_buf_size(HEAD_BYTES_MAX * 2)
                .pipeline_flush(true);
            let _ = self
                .watcher
                .watch(builder.serve_connection(stream, service))
                .await;
        }
        self.shell.telemetry.connections.dec();
    }
}

async fn answer(
    router: Router,
    peer: Peer,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    request.extensions_mut().insert(peer);
    router.oneshot(request).await
}

/// Says why, where that can be said without a handshake.
async fn turn_away(mut stream: TcpStream, plain: bool) {
    if plain {
        let said = stream.write_all(TOO_MANY);
        let _ = tokio::time::timeout(Duration::from_secs(1), said).await;
    }
}
