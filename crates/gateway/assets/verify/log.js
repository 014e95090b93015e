// Proofs of the append-only log, RFC 9162: docs/formats/log.md. Sizes and indices are BigInts.

import { HASH_BYTES, Reader, Refused, equal } from "./bytes.js";
import { empty, inner, leafOf } from "./hash.js";

const VERSION = 1;
const INCLUSION = 0x49;
const CONSISTENCY = 0x43;

/** The hash of a leaf: `SHA-256(0x00 || entry)`. */
export function leafHash(entry) {
  return leafOf(entry);
}

/** `{index, size, hashes}` of an inclusion proof in its binary form. */
export function decodeInclusion(bytes) {
  const [index, size, reader] = begin(bytes, INCLUSION);
  if (index >= size) throw new Refused("Inconsistent");
  const high = bitLength(index ^ (size - 1n));
  return { index, size, hashes: hashes(reader, high + ones(index >> BigInt(high))) };
}

/** `{oldSize, newSize, hashes}` of a consistency proof in its binary form. */
export function decodeConsistency(bytes) {
  const [oldSize, newSize, reader] = begin(bytes, CONSISTENCY);
  if (oldSize > newSize) throw new Refused("Inconsistent");
  let count = 0;
  if (oldSize !== 0n && oldSize !== newSize) {
    const low = trailingZeros(oldSize);
    const index = (oldSize - 1n) >> low;
    const high = bitLength(index ^ ((newSize - 1n) >> low));
    count = high + ones(index >> BigInt(high)) + (ones(oldSize) === 1 ? 0 : 1);
  }
  return { oldSize, newSize, hashes: hashes(reader, count) };
}

/** Checks that the leaf lies at the proof's index under the head `{size, root}`. */
export async function verifyInclusion(proof, leaf, head) {
  if (proof.size !== BigInt(head.size)) throw new Refused("SizeMismatch");
  let node = proof.index;
  let last = proof.size - 1n;
  let hash = leaf;
  for (const sibling of proof.hashes) {
    if (last === 0n) throw new Refused("TrailingBytes");
    if (node & 1n || node === last) {
      hash = await inner(sibling, hash);
      while (!(node & 1n) && node !== 0n) [node, last] = [node >> 1n, last >> 1n];
    } else {
      hash = await inner(hash, sibling);
    }
    [node, last] = [node >> 1n, last >> 1n];
  }
  if (last !== 0n || !equal(hash, head.root)) throw new Refused("RootMismatch");
}

/** Checks that the log of `newHead` begins with all of that of `oldHead`. */
export async function verifyConsistency(proof, oldHead, newHead) {
  const fits = proof.oldSize === BigInt(oldHead.size) && proof.newSize === BigInt(newHead.size);
  if (!fits) throw new Refused("SizeMismatch");
  if (proof.oldSize === 0n) {
    if (!equal(oldHead.root, await empty())) throw new Refused("OldRootMismatch");
    return;
  }
  if (proof.oldSize === proof.newSize) {
    if (!equal(oldHead.root, newHead.root)) throw new Refused("RootMismatch");
    return;
  }
  const [oldRoot, newRoot] = await fold(proof, oldHead.root);
  if (!equal(oldRoot, oldHead.root)) throw new Refused("OldRootMismatch");
  if (!equal(newRoot, newHead.root)) throw new Refused("RootMismatch");
}

/** RFC 9162, section 2.1.4.2: both roots from one list of hashes. */
async function fold(proof, oldRoot) {
  const path = ones(proof.oldSize) === 1 ? [oldRoot, ...proof.hashes] : [...proof.hashes];
  let node = proof.oldSize - 1n;
  let last = proof.newSize - 1n;
  while (node & 1n) [node, last] = [node >> 1n, last >> 1n];
  let old = path[0];
  let now = path[0];
  for (const hash of path.slice(1)) {
    if (last === 0n) throw new Refused("TrailingBytes");
    if (node & 1n || node === last) {
      old = await inner(hash, old);
      now = await inner(hash, now);
      while (!(node & 1n) && node !== 0n) [node, last] = [node >> 1n, last >> 1n];
    } else {
      now = await inner(now, hash);
    }
    [node, last] = [node >> 1n, last >> 1n];
  }
  return [old, now];
}

function begin(bytes, wanted) {
  const reader = new Reader(bytes, "BadInteger");
  const [kind] = reader.take(1);
  if (kind !== wanted) throw new Refused("WrongKind");
  const [version] = reader.take(1);
  if (version !== VERSION) throw new Refused("UnknownVersion");
  return [reader.number(), reader.number(), reader];
}

/** The integers say how many hashes there are; the encoding ends after them. */
function hashes(reader, count) {
  const found = Array.from({ length: count }, () => reader.take(HASH_BYTES));
  reader.end();
  return found;
}

function bitLength(number) {
  return number === 0n ? 0 : number.toString(2).length;
}

function ones(number) {
  return number.toString(2).replaceAll("0", "").length;
}

function trailingZeros(number) {
  let zeros = 0n;
  for (let rest = number; !(rest & 1n); rest >>= 1n) zeros += 1n;
  return zeros;
}
