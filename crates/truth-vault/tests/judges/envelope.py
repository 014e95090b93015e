"""securesystemslib as the judge of envelopes.

verify FILE THRESHOLD KEY...: verifies an envelope with public keys in PEM files; prints the key ids.
sign FILE PAYLOAD_TYPE SEED...: writes an envelope over standard input, signed with ed25519 keys of
these seeds in hex, with a cryptography library of its own.
"""

import json
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey

command, path, *rest = sys.argv[1:]
if command == "verify":
    threshold, *files = rest
    keys = [SSlibKey.from_crypto(load_pem_public_key(open(file, "rb").read())) for file in files]
    envelope = Envelope.from_dict(json.load(open(path)))
    accepted = envelope.verify(keys, int(threshold))
    print("\n".join(sorted(accepted)))
else:
    kind, *seeds = rest
    envelope = Envelope(sys.stdin.buffer.read(), kind, {})
    for seed in seeds:
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
        envelope.sign(CryptoSigner(key))
    json.dump(envelope.to_dict(), open(path, "w"), indent=1)
