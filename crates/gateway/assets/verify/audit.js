// The canonical bytes of an execution's record: docs/formats/audit.md.

import { Refused, fromUtf8, toHex } from "./bytes.js";

const STATUSES = [null, "PROVED", "FAILED", "REJECTED", "TIMEOUT"];
const NUMBER_MAX = (1n << 63n) - 1n;

class Fields {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  take(count) {
    if (this.at + count > this.bytes.length) throw new Refused("Truncated");
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  byte() {
    return this.take(1)[0];
  }

  code(most) {
    const code = this.byte();
    if (code < 1 || code > most) throw new Refused("BadRecord");
    return code;
  }

  short() {
    this.take(2);
    return this.view.getUint16(this.at - 2);
  }

  number() {
    this.take(8);
    const number = this.view.getBigUint64(this.at - 8);
    if (number > NUMBER_MAX) throw new Refused("BadRecord");
    return number;
  }

  name() {
    const length = this.short();
    if (length < 1 || length > 256) throw new Refused("BadRecord");
    const name = fromUtf8(this.take(length));
    if (/[\u0000-\u001f\u007f]/.test(name)) throw new Refused("BadRecord");
    return name;
  }

  optional(read) {
    const there = this.byte();
    if (there > 1) throw new Refused("BadRecord");
    return there ? read.call(this) : null;
  }

  text() {
    const form = this.byte();
    if (form === 1) return fromUtf8(this.take(this.short()));
    if (form === 2) return { commitment: toHex(this.take(32)) };
    if (form !== 0) throw new Refused("BadRecord");
    return null;
  }

  map(read) {
    const count = this.short();
    if (count > 256) throw new Refused("BadRecord");
    return Object.fromEntries(Array.from({ length: count }, () => [this.name(), read.call(this)]));
  }

  real() {
    this.take(8);
    const number = this.view.getFloat64(this.at - 8);
    if (!Number.isFinite(number) || Object.is(number, -0)) throw new Refused("BadRecord");
    return number;
  }
}

/** What the record of an execution says; any other record is refused. */
export function readExecution(bytes) {
  const fields = new Fields(bytes);
  if (fields.byte() !== 1) throw new Refused("UnknownVersion");
  if (fields.byte() !== 1) throw new Refused("NotAnExecution");
  const hash = () => toHex(fields.take(32));
  const record = {
    eventNs: fields.number(),
    observedNs: fields.number(),
    txId: fields.name(),
    bundleHash: fields.optional(fields.name),
    intentName: fields.name(),
    status: STATUSES[fields.code(4)],
    result: fields.text(),
    rootBefore: fields.optional(hash),
    rootAfter: fields.optional(hash),
    stateVersion: fields.optional(fields.number),
    elapsedNs: fields.optional(fields.number),
    layers: fields.map(() => fields.code(3)),
    telemetry: fields.map(fields.real),
  };
  const subject = fields.byte();
  if (subject === 2) fields.take(32);
  else if (subject !== 0) throw new Refused("BadRecord");
  if (fields.at !== bytes.length) throw new Refused("TrailingBytes");
  return record;
}
