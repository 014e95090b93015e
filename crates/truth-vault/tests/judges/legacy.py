"""Writes bundles as the original system did, with hard numbers and texts, by Python's own json.

FOLDER COUNT SEED: half of them of v2.1, half of v0.7.
"""

import hashlib
import json
import random
import struct
import sys
from pathlib import Path

folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
dice = random.Random(seed)


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def digest(text):
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def text():
    kinds = ["abc", "\"\\/\b\f\n\r\t", "\x00\x1f\x7f", "é\u2028\ufeff\uffff", "😀\U0010ffff", "ÿĀ"]
    return "".join(dice.choice(dice.choice(kinds)) for _ in range(dice.randrange(12)))


def number():
    kind = dice.randrange(6)
    if kind == 0:
        value = struct.unpack("d", dice.randbytes(8))[0]
        return value if value == value and abs(value) != float("inf") else 0.0
    if kind == 1:
        return dice.uniform(-1, 1) * 10 ** dice.randrange(-8, 20)
    if kind == 2:
        return float(dice.randrange(10**18))
    if kind == 3:
        return dice.randrange(-(10**40), 10**40)
    if kind == 4:
        return -0.0
    return dice.randrange(100)


def value(depth=0):
    kind = dice.randrange(6 if depth < 4 else 4)
    if kind == 0:
        return text()
    if kind == 1:
        return dice.choice([None, True, False])
    if kind < 4:
        return number()
    if kind == 4:
        return [value(depth + 1) for _ in range(dice.randrange(4))]
    return {text(): value(depth + 1) for _ in range(dice.randrange(5))}


def v2_1():
    code = text() * 3
    return digest(code)[:16], {
        "code": code,
        "metadata": {"intent_name": text(), "verification_status": "PROVED", "more": value()},
        "content_hash": digest(code),
        "timestamp": dice.uniform(0, 4e9),
    }


def v0_7():
    ast = {"params": value(), "ai_instructions": value(), text(): value()}
    key = digest(canonical(ast))
    certificate = {"version": "1.0", "function_hash": key, "status": "FAILED", "more": value()}
    certificate["signature"] = digest(canonical(certificate))
    signed = {"function_hash": key, "ast": ast, "certificate": certificate}
    return key[:8], {
        "bundle_version": "1.0",
        "function_hash": key,
        "intent_name": text(),
        "ast": ast,
        "code": text(),
        "verification": {"status": "FAILED", "more": value()},
        "certificate": certificate,
        "metadata": {"more": value()},
        "created_at": "2026-02-01T23:53:17.811539",
        "bundle_signature": digest(canonical(signed)),
    }


for at in range(count):
    name, bundle = (v2_1 if at % 2 else v0_7)()
    # With the spaces of the original, or others, and with or without escapes: the same values.
    indent, ascii_only = dice.choice([None, 2]), dice.choice([True, False])
    written = json.dumps(bundle, indent=indent, ensure_ascii=ascii_only)
    (folder / f"{at:04}_{name}.ae_bundle").write_bytes(written.encode("utf-8"))
