//! Changes to bytes that somebody hostile could make.

use arbitrary::Arbitrary;

/// One change. Places count modulo the length.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Mutation {
    Flip {
        at: u16,
        bit: u8,
    },
    Set {
        at: u16,
        byte: u8,
    },
    Insert {
        at: u16,
        byte: u8,
    },
    Drop {
        at: u16,
        len: u8,
    },
    /// Repeats `len` bytes at the end.
    Repeat {
        at: u16,
        len: u8,
    },
    /// Writes `len` bytes from one place over another.
    Splice {
        from: u16,
        to: u16,
        len: u8,
    },
    Cut {
        len: u16,
    },
}

/// Applies all of `mutations`.
pub fn mutate(bytes: &mut Vec<u8>, mutations: &[Mutation]) {
    for mutation in mutations {
        let len = bytes.len().max(1);
        let place = |at: u16| (usize::from(at) % len).min(bytes.len());
        let run = |at: u16, len: u8| place(at)..(place(at) + usize::from(len)).min(bytes.len());
        match *mutation {
            Mutation::Flip { at, bit } => {
                let at = place(at);
                bytes[at..]
                    .iter_mut()
                    .take(1)
                    .for_each(|byte| *byte ^= 1 << (bit % 8));
            }
            Mutation::Set { at, byte } => {
                let at = place(at);
                bytes[at..].iter_mut().take(1).for_each(|old| *old = byte);
            }
            Mutation::Insert { at, byte } => bytes.insert(place(at), byte),
            Mutation::Drop { at, len } => {
                bytes.drain(run(at, len));
            }
            Mutation::Repeat { at, len } => bytes.extend_from_within(run(at, len)),
            Mutation::Splice { from, to, len } => {
                let (from, to) = (run(from, len), place(to));
                let copied = from.len().min(bytes.len() - to);
                bytes.copy_within(from.start..from.start + copied, to);
            }
            Mutation::Cut { len } => bytes.truncate(place(len)),
        }
    }
}
