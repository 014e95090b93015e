// Proofs of the ordered map, profile Sha256: docs/formats/map.md, from its bytes to its answers.
// Nothing here asks a server. Positions of branches are never needed: see "Why no branch position
// has to be believed" there.

import { HASH_BYTES, Reader, Refused, compare, equal, uvarint } from "./bytes.js";
import { empty, inner, leafOf, sha256 } from "./hash.js";

const KIND = 0x4d;
const VERSION = 1;
const KEY_BYTES_MAX = 1024;

export const PRUNED = 0;
export const LEAF_WITH_DIGEST = 1;
export const LEAF_WITH_VALUE = 2;
export const INNER = 3;

/** The proof is good, and says nothing about what was asked. */
export class NotCovered extends Error {
  constructor() {
    super("the proof does not cover the question");
    this.name = "NotCovered";
  }
}

/** The nodes of a proof in pre-order; nothing of them is to be believed yet. */
export function decode(bytes) {
  const reader = new Reader(bytes);
  const [kind, version] = reader.take(2);
  if (kind !== KIND) throw new Refused("NotAProof");
  if (version !== VERSION) throw new Refused("UnknownVersion");
  const nodes = codes(reader).map((code) => ({ kind: code }));
  let last = null;
  for (const node of nodes) {
    if (node.kind === INNER) continue;
    if (node.kind === PRUNED) {
      node.hash = reader.take(HASH_BYTES);
      continue;
    }
    const length = reader.number();
    if (length < 1n || length > BigInt(KEY_BYTES_MAX)) throw new Refused("KeyLength");
    node.key = reader.take(length);
    if (last && compare(last, node.key) >= 0) throw new Refused("KeyOrder");
    last = node.key;
    if (node.kind === LEAF_WITH_VALUE) node.value = reader.take(reader.number());
    else node.digest = reader.take(HASH_BYTES);
  }
  reader.end();
  return nodes;
}

/** Two bits a node; they must be exactly one full binary tree, or none. */
function codes(reader) {
  const count = reader.number();
  const packed = reader.take((count + 3n) / 4n); // held against the bytes before anything is made
  const all = Array.from({ length: packed.length * 4 }, (_, i) => (packed[i >> 2] >> ((i & 3) * 2)) & 3);
  const found = all.slice(0, Number(count));
  let open = found.length ? 1 : 0;
  for (const code of found) {
    if (!open) throw new Refused("Shape");
    open += code === INNER ? 1 : -1;
  }
  if (open || all.slice(Number(count)).some(Boolean)) throw new Refused("Shape");
  return found;
}

/** The root that `nodes` stand for. Backwards over the pre-order, so nothing recurses. */
async function rootOf(nodes) {
  if (!nodes.length) return empty();
  const done = [];
  for (const node of [...nodes].reverse()) {
    if (node.kind === INNER) node.hash = await inner(done.pop(), done.pop());
    else if (node.kind !== PRUNED) {
      if (node.kind === LEAF_WITH_VALUE) node.digest = await sha256(node.value);
      const length = uvarint(node.key.length);
      node.hash = await leafOf(length, node.key, uvarint(HASH_BYTES), node.digest);
    }
    done.push(node.hash);
  }
  return done.pop();
}

/** Checks a proof against the root that is trusted; only this makes a {@link View}. */
export async function verify(bytes, root) {
  const nodes = decode(bytes);
  if (!equal(await rootOf(nodes), root)) throw new Refused("RootMismatch");
  return new View(nodes);
}

/** What a verified proof says of the map. */
export class View {
  #pieces;

  constructor(nodes) {
    this.#pieces = nodes.filter((node) => node.kind !== INNER);
  }

  /** The entries that the proof shows: each has a key, a digest, and perhaps its value. */
  entries() {
    return this.#pieces.filter((piece) => piece.kind !== PRUNED);
  }

  /** The entry of `key`, or null where the proof shows that there is none. */
  get(key) {
    return this.range({ key, included: true }, { key, included: true })[0] ?? null;
  }

  /** All entries whose keys begin with `prefix`. */
  prefix(prefix) {
    return this.range({ key: prefix, included: true }, prefixEnd(prefix));
  }

  /** All entries from `start` to `end`, each `{key, included}` or null for no end. */
  range(start, end) {
    if (start && end) {
      const order = compare(start.key, end.key);
      if (order > 0 || (order === 0 && !(start.included && end.included))) return [];
    }
    this.#refuseGaps(start, end);
    return this.entries().filter(({ key }) => !isBefore(key, start) && !isBehind(key, end));
  }

  /** A pruned subtree hides keys between its neighbours; none of these may be asked for. */
  #refuseGaps(start, end) {
    let lower = null;
    let unsure = false; // a pruned subtree that waits for the leaf behind it
    for (const piece of this.#pieces) {
      if (piece.kind === PRUNED) {
        const right = lower && end && compare(lower, end.key) >= 0;
        unsure ||= !right;
        continue;
      }
      if (unsure && !(start && compare(piece.key, start.key) <= 0)) throw new NotCovered();
      unsure = false;
      lower = piece.key;
    }
    if (unsure) throw new NotCovered();
  }
}

function isBefore(key, start) {
  if (!start) return false;
  const order = compare(key, start.key);
  return order < 0 || (order === 0 && !start.included);
}

function isBehind(key, end) {
  if (!end) return false;
  const order = compare(key, end.key);
  return order > 0 || (order === 0 && !end.included);
}

/** The first key behind all that begin with `prefix`; null where there is none. */
function prefixEnd(prefix) {
  let length = prefix.length;
  while (length && prefix[length - 1] === 0xff) length -= 1;
  if (!length) return null;
  const key = prefix.slice(0, length);
  key[length - 1] += 1;
  return { key, included: false };
}
