#!/usr/bin/env python3
"""Verifies receipts: `verify_receipt.py KEY FILE...`; KEY is the text of a verifier key.

Written from docs/formats (receipt, seal, audit, log, map) alone; plain and slow. Nothing but Python's
standard library, unless the state hashes with BLAKE3, which needs the module `blake3`. Says `ok FILE`
or `refused FILE` in a line for each, and ends with 1 if any was refused.
"""

import base64
import hashlib
import json
import pathlib
import re
import struct
import sys

import verify_map
from verify_map import NotCovered, Refused

# --- ed25519, RFC 8032 -------------------------------------------------------------------------

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


def add(a, b):
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g = 2 * a[3] * b[3] * D % P
    h = 2 * a[2] * b[2] % P
    e, g, h, f = f - e, h - g, h + g, e + f
    return (e * g % P, h * f % P, g * h % P, e * f % P)


def multiply(scalar, point):
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total


def same(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def point_of(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        raise Refused("not a point")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - square) % P or (x == 0 and sign):
        raise Refused("not a point")
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


BASE = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_small(point):
    return same(multiply(8, point), (0, 1, 1, 0))


def check_signature(public, text, signature):
    if len(signature) != 64:
        raise Refused("no signature")
    key, r = point_of(public), point_of(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if s >= Q or is_small(key) or is_small(r):
        raise Refused("no strict signature")
    digest = hashlib.sha512(signature[:32] + public + text).digest()
    h = int.from_bytes(digest, "little") % Q
    if not same(multiply(s, BASE), add(r, multiply(h, key))):
        raise Refused("another signature")


# --- notes and seals ---------------------------------------------------------------------------


def unbase64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused("no base64") from None
    if base64.b64encode(data).decode() != text:
        raise Refused("base64 in another form")
    return data


def parse_key(text):
    name, key_id, key = text.split("+", 2)
    data = unbase64(key)
    if data[:1] != b"\1" or len(data) != 33:
        raise Refused("not an ed25519 key")
    public = data[1:]
    computed = hashlib.sha256(name.encode() + b"\n\1" + public).digest()[:4]
    if computed.hex() != key_id:
        raise Refused("another key id")
    return name, computed, public


def open_note(note, key):
    """The text of a note that `key` signed."""
    name, key_id, public = key
    try:
        note = note.decode()
    except UnicodeDecodeError:
        raise Refused("not a text") from None
    divide = note.rfind("\n\n")
    if divide < 0 or not note.endswith("\n"):
        raise Refused("not a note")
    text, lines = note[: divide + 1], note[divide + 2 : -1].split("\n")
    if any(ord(c) < 0x20 and c != "\n" for c in text):
        raise Refused("control characters")
    signed = False
    for line in lines:
        found = re.fullmatch("\u2014 ([^ +]+) ([A-Za-z0-9+/=]+)", line)
        if not found:
            raise Refused("not a signature line")
        data = unbase64(found[2])
        if len(data) < 5:
            raise Refused("not a signature")
        if found[1] == name and data[:4] == key_id:
            check_signature(public, text.encode(), data[4:])
            signed = True
    if not signed:
        raise Refused("nobody signed who is trusted")
    return text


def number_of(text):
    if not re.fullmatch("0|[1-9][0-9]{0,19}", text) or int(text) >= 1 << 64:
        raise Refused("not a number")
    return int(text)


def hash_of_hex(text):
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise Refused("not a hash")
    return bytes.fromhex(text)


def parse_seal(text, name):
    lines = text.split("\n")
    if len(lines) != 9 or lines[8] != "" or lines[0] != name:
        raise Refused("not a seal of this name")
    root = unbase64(lines[2])
    if len(root) != 32:
        raise Refused("not a root")
    words = [line.split(" ") for line in lines[3:8]]
    if [row[0] for row in words[1:3]] + [words[4][0]] != ["state", "vault", "time"]:
        raise Refused("not the lines of a seal")
    if [len(row) for row in words[1:3]] + [len(words[4])] != [4, 3, 2]:
        raise Refused("not the lines of a seal")
    number = None
    if words[0] != ["between"]:
        if words[0][0] != "seal" or len(words[0]) != 2:
            raise Refused("not the number of a seal")
        number = number_of(words[0][1])
    if number == 0:
        if words[3] != ["first"]:
            raise Refused("the first seal follows none")
    elif words[3][0] != "previous" or len(words[3]) != 2 or not hash_of_hex(words[3][1]):
        raise Refused("a seal that follows none")
    if words[1][3] not in ("sha256", "blake3"):
        raise Refused("an unknown profile")
    number_of(words[2][1]), hash_of_hex(words[2][2]), number_of(words[4][1])
    return {
        "size": number_of(lines[1]),
        "root": root,
        "number": number,
        "version": number_of(words[1][1]),
        "state": hash_of_hex(words[1][2]),
        "profile": verify_map.Sha256 if words[1][3] == "sha256" else verify_map.Blake3,
    }


# --- the log -----------------------------------------------------------------------------------


def check_inclusion(proof, entry, seal):
    reader = verify_map.Reader(proof)
    if reader.take(2) != b"I\1":
        raise Refused("no inclusion proof")
    index, size = reader.number(), reader.number()
    if index >= size or size != seal["size"]:
        raise Refused("of another log")
    inner = (index ^ (size - 1)).bit_length()
    count = inner + bin(index >> inner).count("1")
    if len(proof) - reader.at != 32 * count:
        raise Refused("too few or too many hashes")
    node = hashlib.sha256(b"\0" + entry).digest()
    for level in range(count):
        sibling = reader.take(32)
        # Beyond the bits that differ there are only siblings on the left.
        left = level >= inner or index >> level & 1
        pair = sibling + node if left else node + sibling
        node = hashlib.sha256(b"\1" + pair).digest()
    if node != seal["root"]:
        raise Refused("another root of the log")
    return index


# --- the record --------------------------------------------------------------------------------


class Fields(verify_map.Reader):
    def u(self, count):
        return int.from_bytes(self.take(count), "big")

    def big(self):
        number = self.u(8)
        if number >= 1 << 63:
            raise Refused("number out of range")
        return number

    def string(self):
        try:
            return self.take(self.u(2)).decode()
        except UnicodeDecodeError:
            raise Refused("not UTF-8") from None

    def name(self):
        name = self.string()
        if not 1 <= len(name.encode()) <= 256 or any(ord(c) < 0x20 or ord(c) == 0x7F for c in name):
            raise Refused("not a name")
        return name

    def code(self, count):
        code = self.u(1)
        if not 1 <= code <= count:
            raise Refused("unknown code")
        return code

    def optional(self, read):
        there = self.u(1)
        if there > 1:
            raise Refused("neither there nor not")
        return read() if there else None

    def text(self):
        kind = self.u(1)
        if kind > 2:
            raise Refused("unknown kind of text")
        return [lambda: None, self.string, lambda: self.take(32).hex()][kind]()

    def erasable(self):
        kind = self.u(1)
        if kind not in (0, 2):
            raise Refused("unknown kind of text")
        return self.take(32).hex() if kind else None

    def real(self):
        (number,) = struct.unpack(">d", self.take(8))
        if number != number or abs(number) == float("inf") or str(number) == "-0.0":
            raise Refused("not a finite number")
        return number

    def map(self, read):
        count, entries, last = self.u(2), {}, None
        if count > 256:
            raise Refused("too many entries")
        for _ in range(count):
            key = self.name()
            if last is not None and last >= key.encode():
                raise Refused("out of order")
            last = key.encode()
            entries[key] = read()
        return entries


def parse_execution(data):
    fields = Fields(data)
    if fields.take(2) != b"\1\1":
        raise Refused("no execution")
    record = {"event_ns": fields.big(), "observed_ns": fields.big()}
    record["tx_id"] = fields.name()
    record["bundle_hash"] = fields.optional(fields.name)
    record["intent_name"] = fields.name()
    record["status"] = ["PROVED", "FAILED", "REJECTED", "TIMEOUT"][fields.code(4) - 1]
    record["result"] = fields.text()
    record["before"] = fields.optional(lambda: fields.take(32))
    record["after"] = fields.optional(lambda: fields.take(32))
    record["version"] = fields.optional(fields.big)
    record["elapsed_ns"] = fields.optional(fields.big)
    record["layer_results"] = fields.map(lambda: fields.code(3))
    record["telemetry"] = fields.map(fields.real)
    record["subject"] = fields.erasable()
    if fields.at != len(data):
        raise Refused("bytes left over")
    if len(data) > 65535:
        raise Refused("too long")
    return record


# --- the bundle --------------------------------------------------------------------------------


def check_bundle(manifest, certificate, record):
    if not manifest:
        if certificate:
            raise Refused("a certificate of no bundle")
        return
    if hashlib.sha256(manifest).hexdigest() != record["bundle_hash"]:
        raise Refused("the manifest of another bundle")
    reader = Fields(manifest)
    if reader.take(9) != b"tvbundle\1":
        raise Refused("no manifest")
    code = reader.take(32)
    reader.take(8 + 1 + 8)  # the code's length, the status, the time
    reader.take(reader.u(2)), reader.take(reader.u(4))  # the intent, the metadata
    flags = reader.u(1)
    if flags & 1:
        reader.take(40)  # the AST
    named = reader.take(40)[:32] if flags & 2 else None
    if named is None:
        if certificate:
            raise Refused("the bundle has no certificate")
        return
    if hashlib.sha256(certificate).digest() != named:
        raise Refused("the certificate of another bundle")
    envelope = json.loads(certificate)
    statement = json.loads(base64.b64decode(envelope["payload"]))
    if code.hex() not in [subject["digest"].get("sha256") for subject in statement["subject"]]:
        raise Refused("a certificate of other code")


# --- the receipt -------------------------------------------------------------------------------

MAGIC = b"DIOTEC360 receipt\n\1"


def verify_receipt(data, key):
    reader = verify_map.Reader(data)
    part = lambda: reader.take(reader.number())
    if reader.take(len(MAGIC)) != MAGIC:
        raise Refused("no receipt")
    record_bytes, inclusion = part(), part()
    writes = []
    for _ in range(reader.number()):
        name = part()
        there = reader.take(1)[0]
        if there > 1 or not 1 <= len(name) <= 1024 or writes and writes[-1][0] >= name:
            raise Refused("no writes")
        writes.append((name, part() if there else None))
    transition, manifest, certificate, note = part(), part(), part(), part()
    if reader.at != len(data):
        raise Refused("bytes left over")

    seal = parse_seal(open_note(note, key), key[0])
    index = check_inclusion(inclusion, record_bytes, seal)
    record = parse_execution(record_bytes)
    if None in (record["before"], record["after"], record["version"]):
        raise Refused("an execution on no state of ours")
    if record["version"] > seal["version"]:
        raise Refused("beyond the seal")
    if record["version"] == seal["version"] and record["after"] != seal["state"]:
        raise Refused("beside the seal")
    if not writes:
        if transition or record["before"] != record["after"]:
            raise Refused("a change without writes")
    else:
        if record["status"] != "PROVED":
            raise Refused("writes of an execution that was not proved")
        nodes = verify_map.verify(seal["profile"], transition, record["before"])
        if verify_map.apply(seal["profile"], nodes, writes) != record["after"]:
            raise Refused("the writes lead elsewhere")
    check_bundle(manifest, certificate, record)
    return index, record, writes, seal


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    key, refused = parse_key(sys.argv[1]), False
    for path in sys.argv[2:]:
        try:
            index, record, writes, _ = verify_receipt(pathlib.Path(path).read_bytes(), key)
            print(f"ok {path}: record {index}, {record['tx_id']} {record['status']}, {len(writes)} writes")
        except (Refused, NotCovered, ValueError, KeyError, TypeError) as error:
            refused = True
            print(f"refused {path}: {error}")
    sys.exit(int(refused))


if __name__ == "__main__":
    main()
