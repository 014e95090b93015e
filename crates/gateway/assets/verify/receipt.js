// Receipts: docs/formats/receipt.md. The public key is trusted, and nothing else.

import { Reader, Refused, compare, equal, fromHex, fromUtf8, toHex, toUtf8 } from "./bytes.js";
import { readExecution } from "./audit.js";
import { sha256 } from "./hash.js";
import { decodeInclusion, leafHash, verifyInclusion } from "./log.js";
import { openSeal } from "./seal.js";
import { rootAfter } from "./transition.js";

const MAGIC = toUtf8("DIOTEC360 receipt\n");
const FORMAT = 1;

export function looksLikeReceipt(bytes) {
  return equal(bytes.subarray(0, MAGIC.length), MAGIC);
}

/** The parts of a receipt; nothing of them is believed yet. */
export function decodeReceipt(bytes) {
  const reader = new Reader(bytes);
  if (!equal(reader.take(MAGIC.length), MAGIC)) throw new Refused("NotAReceipt");
  if (reader.take(1)[0] !== FORMAT) throw new Refused("UnknownVersion");
  const part = () => reader.take(reader.number());
  const [record, inclusion] = [part(), part()];
  const writes = [];
  for (let left = reader.number(); left > 0n; left -= 1n) {
    const key = part();
    const [kept] = reader.take(1);
    if (kept > 1) throw new Refused("BadWrite");
    const last = writes.at(-1);
    if (last && compare(last[0], key) >= 0) throw new Refused("Disorder");
    writes.push([key, kept ? part() : null]);
  }
  const [transition, manifest, certificate, seal] = [part(), part(), part(), part()];
  reader.end();
  return { record, inclusion, writes, transition, manifest, certificate, seal };
}

/** Checks a receipt with the key, a text; returns the steps that held. */
export async function verifyReceipt(bytes, key) {
  const steps = [];
  try {
    const receipt = decodeReceipt(bytes);
    const seal = await openSeal(fromUtf8(receipt.seal), key);
    steps.push(["stepSeal", { n: seal.number ?? "–", name: seal.origin }]);
    const leaf = await leafHash(receipt.record);
    const inclusion = decodeInclusion(receipt.inclusion);
    await verifyInclusion(inclusion, leaf, seal.log);
    steps.push(["stepPath", { n: inclusion.hashes.length, index: inclusion.index, size: inclusion.size }]);
    const record = readExecution(receipt.record);
    checkRecord(record, seal);
    steps.push(["stepExecution", { id: record.txId, status: record.status }]);
    await checkWrites(receipt, record, seal);
    steps.push(["stepTransition", { n: receipt.writes.length, version: record.stateVersion }]);
    await checkBundle(receipt, record, steps);
    return steps;
  } catch (error) {
    error.steps = steps;
    throw error;
  }
}

function checkRecord(record, seal) {
  if (!record.rootBefore || !record.rootAfter || record.stateVersion === null) throw new Refused("NoRoots");
  if (record.stateVersion > seal.version) throw new Refused("BehindTheSeal");
  const same = record.rootAfter === toHex(seal.stateRoot);
  if (record.stateVersion === seal.version && !same) throw new Refused("OtherRoot");
}

async function checkWrites({ writes, transition }, record, seal) {
  if (!writes.length) {
    if (transition.length || record.rootBefore !== record.rootAfter) throw new Refused("BadTransition");
    return;
  }
  if (record.status !== "PROVED") throw new Refused("WritesOfNoProof");
  if (seal.profile !== "sha256") throw new Refused("OtherProfile", "this page knows the profile Sha256 only");
  const after = await rootAfter(transition, fromHex(record.rootBefore), writes);
  if (toHex(after) !== record.rootAfter) throw new Refused("RootMismatch");
}

/** The manifest is the one that the record names. Who certified it is its reader's own business. */
async function checkBundle({ manifest, certificate }, record, steps) {
  if (!manifest.length) {
    if (certificate.length) throw new Refused("CertificateOfNothing");
    return;
  }
  if (toHex(await sha256(manifest)) !== record.bundleHash) throw new Refused("OtherBundle");
  steps.push(["stepBundle", {}]);
  if (certificate.length) steps.push(["stepCertificate", {}]);
}
