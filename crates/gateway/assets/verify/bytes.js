// Bytes, their texts, and reading them without trusting them.

/** Why something was not believed: `reason` is the word of docs/formats. */
export class Refused extends Error {
  constructor(reason, detail = "") {
    super(detail ? `${reason}: ${detail}` : reason);
    this.name = "Refused";
    this.reason = reason;
  }
}

export const HASH_BYTES = 32;

export function fromHex(text) {
  if (typeof text !== "string" || text.length % 2 || !/^[0-9a-fA-F]*$/.test(text)) {
    throw new Refused("Hex", "not hexadecimal digits in pairs");
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

export function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Standard base64 with padding, in its one form: zero bits at the end, nothing around it. */
export function fromBase64(text) {
  if (typeof text !== "string" || text.length % 4 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    throw new Refused("Base64", "not base64 with padding");
  }
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  if (toBase64(bytes) !== text) throw new Refused("Base64", "not in its one form");
  return bytes;
}

export function toBase64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Strict: a text that is not UTF-8 is refused, and no mark in front is taken away. */
export function fromUtf8(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refused("Utf8", "not UTF-8");
  }
}

export function toUtf8(text) {
  return new TextEncoder().encode(text);
}

export function concat(...parts) {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Byte by byte, a prefix first; negative, zero or positive. */
export function compare(a, b) {
  const both = Math.min(a.length, b.length);
  for (let i = 0; i < both; i += 1) {
    if (a[i] !== b[i]) return a[i] - b[i];
  }
  return a.length - b.length;
}

export function equal(a, b) {
  return compare(a, b) === 0;
}

/** Unsigned LEB128 in its shortest form. */
export function uvarint(number) {
  let rest = BigInt(number);
  const bytes = [];
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest ? low | 0x80 : low);
  } while (rest);
  return Uint8Array.from(bytes);
}

/** Takes bytes from the front; whatever is not there is `Truncated`. */
export class Reader {
  constructor(bytes, badNumber = "Number") {
    this.bytes = bytes;
    this.at = 0;
    this.badNumber = badNumber;
  }

  get left() {
    return this.bytes.length - this.at;
  }

  take(count) {
    if (BigInt(count) > BigInt(this.left)) throw new Refused("Truncated");
    const taken = this.bytes.subarray(this.at, this.at + Number(count));
    this.at += Number(count);
    return taken;
  }

  /** A uvarint of at most 64 bits, as a BigInt. */
  number() {
    let number = 0n;
    for (let place = 0n; place < 10n; place += 1n) {
      const [byte] = this.take(1);
      number |= BigInt(byte & 0x7f) << (7n * place);
      if (byte < 0x80) {
        if (number >> 64n || (byte === 0 && place > 0n)) break;
        return number;
      }
    }
    throw new Refused(this.badNumber, "not the shortest form of 64 bits");
  }

  end() {
    if (this.left) throw new Refused("TrailingBytes");
  }
}
