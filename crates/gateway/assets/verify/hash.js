// SHA-256 by the browser itself, and the two domains of every tree here: leaves and inner nodes.

import { concat } from "./bytes.js";

const LEAF = Uint8Array.of(0x00);
const INNER = Uint8Array.of(0x01);

/** Whether this page may use WebCrypto: on loopback and over TLS, yes. */
export function canHash() {
  return Boolean(globalThis.crypto?.subtle);
}

export async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** `SHA-256(0x00 || fields)`. */
export function leafOf(...fields) {
  return sha256(concat(LEAF, ...fields));
}

/** `SHA-256(0x01 || left || right)`. */
export function inner(left, right) {
  return sha256(concat(INNER, left, right));
}

/** The root of the map and of the log without an entry: `SHA-256("")`. */
export function empty() {
  return sha256(new Uint8Array());
}
