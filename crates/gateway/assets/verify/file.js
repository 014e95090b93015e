// Files that can be checked here: what they are shows in how they begin.

import { Refused, fromUtf8 } from "./bytes.js";
import { looksLikeReceipt, verifyReceipt } from "./receipt.js";
import { openSeal } from "./seal.js";

/** Checks a file with the public key its reader trusts; returns the steps that held. */
export async function verifyFile(bytes, key) {
  if (looksLikeReceipt(bytes)) return verifyReceipt(bytes, key);
  if (!looksLikeNote(bytes)) throw new Refused("WrongFile");
  const seal = await openSeal(fromUtf8(bytes), key);
  return [["stepSeal", { n: seal.number ?? "–", name: seal.origin }]];
}

function looksLikeNote(bytes) {
  return bytes.length > 64 && bytes.every((byte) => byte >= 0x20 || byte === 0x0a);
}
