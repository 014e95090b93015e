// Seals: a signed note whose text is a checkpoint of the log and five lines more.

import { Refused, fromHex, fromUtf8 } from "./bytes.js";
import { canVerifySignatures, openNote, parseCheckpoint, parseVerifier } from "./note.js";

const NUMBER = "(0|[1-9][0-9]{0,19})";
const HASH = "([0-9a-f]{64})";
const LINES = [
  new RegExp(`^(?:seal ${NUMBER}|between)$`),
  new RegExp(`^state ${NUMBER} ${HASH} (sha256|blake3)$`),
  new RegExp(`^vault ${NUMBER} ${HASH}$`),
  new RegExp(`^(?:previous ${HASH}|first)$`),
  new RegExp(`^time ${NUMBER}$`),
];

/** What a seal's text says; nothing of it is believed yet. */
export function parseSeal(text) {
  const { origin, size, root, extensions } = parseCheckpoint(text);
  if (extensions.length !== LINES.length) throw new Refused("BadSeal");
  const found = extensions.map((line, i) => LINES[i].exec(line));
  if (found.some((line) => !line)) throw new Refused("BadSeal");
  const [number, state, vault, previous, time] = found;
  const isFirst = previous[1] === undefined;
  if (isFirst !== (number[1] === "0")) throw new Refused("BadSeal");
  return {
    origin,
    number: number[1] === undefined ? null : BigInt(number[1]),
    log: { size, root },
    version: BigInt(state[1]), stateRoot: fromHex(state[2]), profile: state[3],
    vault: { objects: BigInt(vault[1]), root: fromHex(vault[2]) },
    previous: isFirst ? null : fromHex(previous[1]),
    timeNs: BigInt(time[1]),
  };
}

/** The seal in a note that the key `verifier`, a text, signed under the seal's own name. */
export async function openSeal(note, verifier) {
  if (!(await canVerifySignatures())) throw new Refused("NoEd25519");
  const key = await parseVerifier(verifier);
  const seal = parseSeal(await openNote(note, [key]));
  if (seal.origin !== key.name) throw new Refused("OtherOrigin");
  return seal;
}

/** Checks a seal as the server lists it; returns the steps that held. */
export async function verifySeal({ note, public_key: key }) {
  const seal = await openSeal(note, key);
  return [["stepSeal", { n: seal.number ?? "–", name: seal.origin }]];
}

/** The note in bytes of a file. */
export function noteOf(bytes) {
  return fromUtf8(bytes);
}
