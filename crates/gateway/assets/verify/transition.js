// From a verified proof and changes to the root after them: docs/formats/map.md, "Transitions".
// Positions of branches follow from keys that the root fixes; nothing here believes a prover.

import { Refused, compare, equal, uvarint, HASH_BYTES } from "./bytes.js";
import { empty, inner, leafOf, sha256 } from "./hash.js";
import { INNER, LEAF_WITH_VALUE, NotCovered, PRUNED, View, decode, verify } from "./map.js";

const NO_BOUND = Infinity;

/** Bit `i` of a key's prefix-free form: a 1 before each byte, a 0 at the end. */
function bit(key, i) {
  const byte = Math.floor(i / 9);
  const within = i % 9;
  if (within === 0) return byte < key.length ? 1 : 0;
  return (key[byte] >> (8 - within)) & 1;
}

/** The first bit in which two keys differ. */
function parting(a, b) {
  let byte = 0;
  while (byte < a.length && byte < b.length && a[byte] === b[byte]) byte += 1;
  if (byte === a.length || byte === b.length) return 9 * byte;
  return 9 * byte + 1 + Math.clz32(a[byte] ^ b[byte]) - 24;
}

/** The root after `changes`, pairs of a key and a value or null, on the map that the proof is about. */
export async function rootAfter(bytes, root, changes) {
  await verify(bytes, root);
  let top = linked(decode(bytes));
  if (top) place(top);
  for (const [key, value] of changes) {
    const pieces = top ? piecesOf(top) : [];
    const found = new View(pieces).get(key); // refuses a key that the proof does not cover
    if (value === null) continue;
    const digest = await sha256(value);
    if (found) Object.assign(found, { kind: LEAF_WITH_VALUE, value, digest });
    else top = put(top, pieces, { kind: LEAF_WITH_VALUE, key, value, digest });
  }
  for (const [key, value] of changes) if (value === null && top) top = without(top, key);
  return top ? hashOf(top) : empty();
}

/** The tree of nodes in pre-order; leaves get their digests. */
function linked(nodes) {
  const done = [];
  for (const node of [...nodes].reverse()) {
    if (node.kind === INNER) node.children = [done.pop(), done.pop()];
    done.push(node);
  }
  return done.pop() ?? null;
}

/** Leaves and pruned subtrees in their order. No depth of a proof makes this recurse. */
function piecesOf(top) {
  const pieces = [];
  const open = [top];
  while (open.length) {
    const node = open.pop();
    if (node.kind === INNER) open.push(node.children[1], node.children[0]);
    else pieces.push(node);
  }
  return pieces;
}

/** Inner nodes from the top down; backwards, children come before their parents. */
function inners(top) {
  const found = [];
  const open = [top];
  while (open.length) {
    const node = open.pop();
    if (node.kind !== INNER) continue;
    found.push(node);
    open.push(...node.children);
  }
  return found;
}

/** Bounds where each inner node branches: from `least` on, and before `bound`. */
function place(top) {
  const all = inners(top);
  for (const node of [...all].reverse()) {
    const [left, right] = node.children;
    node.first = firstOf(left) ?? firstOf(right);
    node.last = lastOf(right) ?? lastOf(left);
  }
  top.least = 0;
  for (const node of all) {
    const [left, right] = node.children;
    const [before, behind] = [lastOf(left), firstOf(right)];
    node.least ??= 0;
    node.bound = NO_BOUND;
    if (before && behind) {
      const at = parting(before, behind);
      if (at < node.least) throw new Refused("NotAMap");
      node.least = at;
      node.bound = at + 1;
    }
    for (const child of node.children) if (child.kind === INNER) child.least = node.least + 1;
  }
  for (const node of [...all].reverse()) {
    for (const child of node.children) if (child.kind === INNER) node.bound = Math.min(node.bound, child.bound);
  }
}

/** The first key that a subtree shows; nothing where it shows none. */
function firstOf(node) {
  return node.kind === INNER ? node.first : node.key;
}

function lastOf(node) {
  return node.kind === INNER ? node.last : node.key;
}

/** The tree with a new leaf in it. */
function put(top, pieces, leaf) {
  if (!top) return leaf;
  let index = pieces.findIndex((piece) => piece.kind !== PRUNED && compare(piece.key, leaf.key) > 0);
  if (index < 0) index = pieces.length;
  const near = pieces.slice(Math.max(index - 1, 0), index + 1);
  const at = Math.max(...near.map((piece) => parting(leaf.key, piece.key)));
  let node = top;
  let above = null;
  let left = index;
  while (node.kind === INNER && node.least <= at) {
    if (node.bound > at) throw new NotCovered();
    const middle = piecesOf(node.children[0]).length;
    // Right in the middle there are leaves on both sides: `least` is where the node branches.
    const side = left === middle ? bit(leaf.key, node.least) : Number(left > middle);
    if (side) left -= middle;
    above = [node, side];
    node = node.children[side];
  }
  const children = bit(leaf.key, at) ? [node, leaf] : [leaf, node];
  const joint = { kind: INNER, least: at, bound: at + 1, children };
  if (!above) return joint;
  above[0].children[above[1]] = joint;
  return top;
}

/** The tree without a key: its sibling takes the place of the node above. */
function without(top, key) {
  const is = (node) => node.kind !== INNER && node.kind !== PRUNED && equal(node.key, key);
  if (is(top)) return null;
  const open = [[top, null, 0]];
  while (open.length) {
    const [node, parent, side] = open.pop();
    if (node.kind !== INNER) continue;
    const at = node.children.findIndex(is);
    if (at >= 0) {
      const sibling = node.children[1 - at];
      if (!parent) return sibling;
      parent.children[side] = sibling;
      return top;
    }
    open.push([node.children[0], node, 0], [node.children[1], node, 1]);
  }
  return top;
}

async function hashOf(top) {
  const all = inners(top);
  const of = async (node) => {
    if (node.kind === INNER || node.kind === PRUNED) return node.hash;
    const digest = node.digest ?? (await sha256(node.value));
    return leafOf(uvarint(node.key.length), node.key, uvarint(HASH_BYTES), digest);
  };
  for (const node of all.reverse()) node.hash = await inner(await of(node.children[0]), await of(node.children[1]));
  return of(top);
}
