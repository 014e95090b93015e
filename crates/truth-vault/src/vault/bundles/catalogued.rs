//! The catalogue of bundles, kept in step with the index.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{MutexGuard, PoisonError};

use crate::catalogue::{self, Catalogue, Row};
use crate::segment::Kind;
use crate::vault::Shared;
use crate::volume::{self, Volume};
use crate::{Address, BundleAddress, BundleManifest, GetError};

const FILE_NAME: &str = "catalogue";

/// So many bundles are read from their manifests at an opening without taking long.
const CHANGES_MAX: usize = 16 << 10;

/// The catalogue, once somebody asked for it.
#[derive(Debug, Default)]
pub(crate) struct Catalogued {
    rows: Catalogue,
    /// Manifests that cannot be read.
    unreadable: BTreeSet<Address>,
    /// How many rows came or went since the file was written.
    changes: usize,
}

impl Catalogued {
    pub(crate) fn rows(&self) -> &Catalogue {
        &self.rows
    }

    pub(crate) fn unreadable(&self) -> Vec<BundleAddress> {
        let unreadable = self.unreadable.iter().copied();
        unreadable.map(BundleAddress::from_address).collect()
    }

    fn insert(&mut self, row: Row) {
        self.unreadable.remove(&row.address.address());
        if !self.rows.contains(&row.address) {
            self.rows.insert(row);
            self.changes += 1;
        }
    }

    fn remove(&mut self, address: Address) {
        self.unreadable.remove(&address);
        let bundle = BundleAddress::from_address(address);
        if self.rows.contains(&bundle) {
            self.rows.remove(&bundle);
            self.changes += 1;
        }
    }
}

impl Shared {
    /// Asks the catalogue as it is with all that any process put until now.
    pub(crate) fn catalogue<T>(&self, ask: impl FnOnce(&Catalogued) -> T) -> Result<T, GetError> {
        self.refresh()?;
        let mut held = self.held_catalogue();
        self.catch_up(&mut held)?;
        Ok(ask(held.as_ref().expect("caught up")))
    }

    /// Says that a bundle was put. That the catalogue cannot be read now does not matter: it is made
    /// from the manifests when somebody asks.
    pub(crate) fn catalogued(&self, row: Row) {
        let mut held = self.held_catalogue();
        if held.is_none() && self.catch_up(&mut held).is_err() {
            return;
        }
        let Some(catalogue) = &mut *held else { return };
        catalogue.insert(row);
        if catalogue.changes >= CHANGES_MAX.max(catalogue.rows.len() / 4) {
            let _ = self.write_catalogue(catalogue);
        }
    }

    /// Writes the catalogue if it is not as its file. It is a cache: a failure takes time only.
    pub(crate) fn settle_catalogue(&self) {
        if let Some(catalogue) = &mut *self.held_catalogue()
            && catalogue.changes > 0
        {
            let _ = self.write_catalogue(catalogue);
        }
    }

    fn held_catalogue(&self) -> MutexGuard<'_, Option<Catalogued>> {
        self.catalogue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write_catalogue(&self, catalogue: &mut Catalogued) -> io::Result<()> {
        let bytes = catalogue::encode(catalogue.rows.rows());
        volume::replace(&*self.root, FILE_NAME, &bytes)?;
        catalogue.changes = 0;
        Ok(())
    }

    /// Takes in the manifests that came or went since the last time; all of them at first.
    fn catch_up(&self, held: &mut Option<Catalogued>) -> Result<(), GetError> {
        let Some(catalogue) = held else {
            *held = Some(self.read_catalogue()?);
            return Ok(());
        };
        let moved = self.index_mut().take_moved();
        for (at, address) in moved.iter().enumerate() {
            if let Err(error) = self.look_at(catalogue, *address) {
                self.index_mut().put_back_moved(&moved[at..]);
                return Err(error);
            }
        }
        Ok(())
    }

    fn read_catalogue(&self) -> Result<Catalogued, GetError> {
        let manifests = self.index_mut().watch_manifests();
        let read = self.catalogue_of(&manifests);
        if read.is_err() {
            self.index_mut().stop_watching();
        }
        read
    }

    /// The rows of `manifests`: from the file, else from the manifests.
    fn catalogue_of(&self, manifests: &[Address]) -> Result<Catalogued, GetError> {
        let mut known: HashMap<BundleAddress, Row> = HashMap::new();
        let mut in_file = 0;
        if let Some(rows) = read_file(&*self.root)? {
            in_file = rows.len();
            known.extend(rows.into_iter().map(|row| (row.address, row)));
        }
        let mut catalogue = Catalogued::default();
        let mut from_file = 0;
        for address in manifests {
            match known.remove(&BundleAddress::from_address(*address)) {
                Some(row) => {
                    from_file += 1;
                    catalogue.rows.insert(row);
                }
                None => self.look_at(&mut catalogue, *address)?,
            }
        }
        catalogue.changes += in_file - from_file;
        Ok(catalogue)
    }

    /// Reads the manifest at `address`, if it is still there, into the catalogue.
    fn look_at(&self, catalogue: &mut Catalogued, address: Address) -> Result<(), GetError> {
        let is_there = self.index().get(&address);
        if is_there.is_none_or(|place| place.kind != Kind::Manifest) {
            catalogue.remove(address);
            return Ok(());
        }
        let bundle = BundleAddress::from_address(address);
        if catalogue.rows.contains(&bundle) {
            return Ok(());
        }
        match self.found(&address, |place| self.read_checked(&address, place)) {
            Ok(Some(bytes)) => match BundleManifest::decode(&bytes) {
                Ok(manifest) => catalogue.insert(Row::of(bundle, &manifest)),
                // A later release wrote it: this one does not know what it says.
                Err(_) => drop(catalogue.unreadable.insert(address)),
            },
            Ok(None) => catalogue.remove(address),
            Err(GetError::Storage(error)) => return Err(error.into()),
            Err(_) => drop(catalogue.unreadable.insert(address)),
        }
        Ok(())
    }
}

fn read_file(volume: &dyn Volume) -> io::Result<Option<Vec<Row>>> {
    let file = match volume.open(FILE_NAME) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let Ok(length) = usize::try_from(file.len()?) else {
        return Ok(None);
    };
    let mut bytes = vec![0; length];
    match file.read_at(0, &mut bytes) {
        Ok(()) => Ok(catalogue::decode(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
