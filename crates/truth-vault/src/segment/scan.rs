//! Going over the records of a segment, damaged ones included.

use std::io;

use super::record::{HEADER_BYTES, Header};
use crate::volume::VaultFile;

/// What is at a place in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A record, which is there in its whole length. Its content is not checked.
    Record {
        /// Where its header begins.
        at: u64,
        /// Its header.
        header: Header,
    },
    /// Bytes that are no record.
    Gap {
        /// Where they begin.
        at: u64,
        /// How many they are.
        bytes: u64,
        /// Nothing comes behind them.
        at_end: bool,
    },
}

/// Walks over the records from one place on. Behind bytes that are no record it goes on at the next
/// header, which lies at a multiple of eight.
pub(crate) struct Scan<'f> {
    file: &'f dyn VaultFile,
    at: u64,
    len: u64,
    window: Vec<u8>,
    window_at: u64,
    /// How much is read when the window ends.
    step: u64,
}

/// What is read at a time.
const WINDOW_BYTES: u64 = 256 << 10;

/// What is read behind a record that is longer than this: not the next content, only its header.
const STRIDE_BYTES: u64 = 4 << 10;

impl<'f> Scan<'f> {
    /// From `at`, which is where a record begins, to the end of the file as it is now.
    pub(crate) fn new(file: &'f dyn VaultFile, at: u64) -> io::Result<Self> {
        Ok(Self {
            file,
            at,
            len: file.len()?,
            window: Vec::new(),
            window_at: 0,
            step: WINDOW_BYTES,
        })
    }

    fn find(&mut self) -> io::Result<Option<Found>> {
        if self.at >= self.len {
            return Ok(None);
        }
        let start = self.at;
        while self.at < self.len {
            if let Some(header) = self.header(self.at)? {
                if self.at > start {
                    return Ok(Some(Found::Gap {
                        at: start,
                        bytes: self.at - start,
                        at_end: false,
                    }));
                }
                let at = self.at;
                self.at += header.record_bytes();
                self.step = match header.record_bytes() > STRIDE_BYTES {
                    true => STRIDE_BYTES,
                    false => WINDOW_BYTES,
                };
                return Ok(Some(Found::Record { at, header }));
            }
            self.at += 8;
            self.step = WINDOW_BYTES;
        }
        self.at = self.len;
        Ok(Some(Found::Gap {
            at: start,
            bytes: self.len - start,
            at_end: true,
        }))
    }

    /// The header at `at`, if there is one and its record is there in its whole length.
    fn header(&mut self, at: u64) -> io::Result<Option<Header>> {
        let end = at + HEADER_BYTES as u64;
        if end > self.len {
            return Ok(None);
        }
        let window_end = self.window_at + self.window.len() as u64;
        if at < self.window_at || end > window_end {
            let bytes = self.step.min(self.len - at);
            self.window
                .resize(usize::try_from(bytes).expect("a window fits"), 0);
            self.file.read_at(at, &mut self.window)?;
            self.window_at = at;
        }
        let from = usize::try_from(at - self.window_at).expect("within the window");
        let bytes = self.window[from..][..HEADER_BYTES]
            .try_into()
            .expect("as long as a header");
        Ok(Header::decode(bytes).filter(|header| header.record_bytes() <= self.len - at))
    }
}

impl Iterator for Scan<'_> {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        self.find().transpose()
    }
}
