//! Which engine the tests on real files run on.

use reality_db::{Backend, Options};

/// Options for the engine that `REALITY_DB_BACKEND` names; the default one if it names none.
pub(crate) fn options() -> Options {
    let backend = match std::env::var("REALITY_DB_BACKEND").as_deref() {
        Err(_) => Backend::default(),
        #[cfg(feature = "sled")]
        Ok("sled") => Backend::Sled,
        #[cfg(feature = "rocksdb")]
        Ok("rocksdb") => Backend::RocksDb,
        Ok(other) => panic!("REALITY_DB_BACKEND={other}: not an engine that this was built with"),
    };
    Options::new().backend(backend)
}
