//! A real server over real stores, on a port that the system chose.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(dead_code, reason = "each test crate uses a part of it")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::JoinHandle;

use gateway::{Config, Ended, Scope, TokenFile};
use persistence::Persistence;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::client::Client;

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) store: Persistence,
    pub(crate) dir: Option<TempDir>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Ended>>,
}

impl Running {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::in_dir(tempfile::tempdir().unwrap(), change)
    }

    pub(crate) fn in_dir(dir: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        Self::open(dir, change, false)
    }

    /// Over stores that may be damaged.
    pub(crate) fn in_dir_damaged(dir: TempDir) -> Self {
        Self::open(dir, |_| {}, true)
    }

    fn open(dir: TempDir, change: impl FnOnce(&mut Config), accept_damage: bool) -> Self {
        let mut config = Config::default();
        config.listen.address.set_port(0);
        change(&mut config);
        let stores = persistence::Config::new(dir.path().join("data"))
            .name("test.example/ledger")
            .accept_damage(accept_damage);
        let (store, _) = Persistence::open(stores).unwrap();
        let tokens = dir.path().join(TokenFile::NAME);
        let (told, heard) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let served = store.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let server = gateway::bind(config, &tokens, served).await.unwrap();
                told.send(server.address()).unwrap();
                server.serve(async { drop(stopped.await) }).await
            })
        });
        Self {
            address: heard.recv().unwrap(),
            store,
            dir: Some(dir),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// Stops, and gives back the folder of the stores, which are closed then.
    pub(crate) fn into_dir(mut self) -> TempDir {
        self.ask_to_stop();
        if self.thread.is_some() {
            self.wait();
        }
        self.dir.take().unwrap()
    }

    pub(crate) fn tokens(&self) -> PathBuf {
        self.dir.as_ref().unwrap().path().join(TokenFile::NAME)
    }

    /// Asks the server to stop; it goes on until its requests are done.
    pub(crate) fn ask_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits for its end: whether all requests were done in time.
    pub(crate) fn wait(&mut self) -> bool {
        self.ended().drained
    }

    /// Waits for its end, and says how it came.
    pub(crate) fn ended(&mut self) -> Ended {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ask_to_stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A new token with one scope; what its holder shows.
pub(crate) fn token(dir: &TempDir, scope: Scope) -> String {
    let path = dir.path().join(TokenFile::NAME);
    let secret = TokenFile::create(&path, scope.name(), &[scope], 1, None).unwrap();
    secret.reveal().to_owned()
}
