// Checkpoints and the signed notes around them: C2SP tlog-checkpoint and signed-note, ed25519.

import { Refused, concat, fromBase64, toHex, toUtf8 } from "./bytes.js";
import { sha256 } from "./hash.js";

const ED25519 = 0x01;
const SIGNATURES_MAX = 100;
const NOTE_BYTES_MAX = 1_000_000;

/** `{name, id, publicKey}` of a verifier key, `<name>+<id>+<base64>`; its id is checked. */
export async function parseVerifier(text) {
  const parts = /^([^+\s]+)\+([0-9a-f]{8})\+(.+)$/u.exec(text);
  if (!parts) throw new Refused("BadKey");
  const [, name, id, encoded] = parts;
  const data = fromBase64(encoded);
  if (data.length !== 33 || data[0] !== ED25519) throw new Refused("BadKey", "not ed25519");
  const digest = await sha256(concat(toUtf8(`${name}\n`), data));
  if (toHex(digest.subarray(0, 4)) !== id) throw new Refused("BadKey", "the id is another key's");
  return { name, id, publicKey: data.subarray(1) };
}

/** `{text, signatures}` of a note as it is written; no signature is checked yet. */
export function parseNote(note) {
  if (toUtf8(note).length > NOTE_BYTES_MAX) throw new Refused("TooLong");
  const gap = note.lastIndexOf("\n\n"); // signature lines are not empty, lines of the text may be
  if (gap < 0) throw new Refused("NoSignatures");
  if (/[\u0000-\u0009\u000b-\u001f]/.test(note.slice(0, gap + 1))) throw new Refused("BadText");
  if (!note.endsWith("\n") || gap + 2 >= note.length) throw new Refused("NoSignatures");
  const lines = note.slice(gap + 2, -1).split("\n");
  if (lines.length > SIGNATURES_MAX) throw new Refused("TooManySignatures");
  return { text: note.slice(0, gap + 1), signatures: lines.map(signatureLine) };
}

function signatureLine(line) {
  const parts = /^\u2014 ([^+\s]+) ([A-Za-z0-9+/]+={0,2})$/u.exec(line);
  if (!parts) throw new Refused("BadSignatureLine");
  let data;
  try {
    data = fromBase64(parts[2]);
  } catch {
    throw new Refused("BadSignatureLine");
  }
  if (data.length < 5) throw new Refused("BadSignatureLine");
  return { name: parts[1], id: toHex(data.subarray(0, 4)), signature: data.subarray(4) };
}

/**
 * The text of a note that one of `verifiers` signed. A signature that names a trusted key and
 * does not verify spoils the note, wherever it stands.
 */
export async function openNote(note, verifiers) {
  const { text, signatures } = parseNote(note);
  let signed = 0;
  for (const { name, id, signature } of signatures) {
    const verifier = verifiers.find((known) => known.name === name && known.id === id);
    if (!verifier) continue;
    if (!(await verifyEd25519(verifier.publicKey, signature, toUtf8(text)))) {
      throw new Refused("BadSignature");
    }
    signed += 1;
  }
  if (!signed) throw new Refused("Unverified");
  return text;
}

/** Whether this browser has ed25519; where not, a page must say so and not guess. */
export async function canVerifySignatures() {
  try {
    await crypto.subtle.importKey("raw", new Uint8Array(32).fill(1), "Ed25519", false, ["verify"]);
    return true;
  } catch (error) {
    return error?.name === "DataError"; // the algorithm is there, only this key is none
  }
}

export async function verifyEd25519(publicKey, signature, message) {
  if (signature.length !== 64) return false;
  const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", key, signature, message);
}

/** `{origin, size, root, extensions}` of a checkpoint's text. */
export function parseCheckpoint(text) {
  if (!text.endsWith("\n")) throw new Refused("NoFinalNewline");
  const [origin, size, root, ...extensions] = text.slice(0, -1).split("\n");
  if (root === undefined) throw new Refused("TooFewLines");
  if (!origin || toUtf8(origin).length > 1024 || hasControl(origin)) throw new Refused("BadOrigin");
  if (!/^(0|[1-9][0-9]{0,19})$/.test(size) || BigInt(size) >> 64n) throw new Refused("BadSize");
  if (extensions.length > 64) throw new Refused("TooManyExtensions");
  if (extensions.some((line) => !line || hasControl(line))) throw new Refused("BadExtension");
  let hash;
  try {
    hash = fromBase64(root);
  } catch {
    throw new Refused("BadRoot");
  }
  if (hash.length !== 32) throw new Refused("BadRoot");
  return { origin, size: BigInt(size), root: hash, extensions };
}

function hasControl(text) {
  return /\p{Cc}/u.test(text);
}

