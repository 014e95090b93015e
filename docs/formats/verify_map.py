#!/usr/bin/env python3
"""Checks the published vectors of the map: `verify_map.py FOLDER`.

A verifier of map proofs written from docs/formats/map.md alone; plain and slow. SHA-256 comes with
Python; the vectors of the Blake3 profile need the module `blake3` and are skipped without it.
"""

import hashlib
import json
import pathlib
import sys

try:
    from blake3 import blake3
except ImportError:
    blake3 = None

END = 1 << 30  # behind every branch position
EMPTY_BLAKE3 = "77b26ca8b631d475174fa5794441499027d1bbfa8e32773fb3651cb1765310a1"
LEAF_KEY_BLAKE3 = "cb654ee159520dfcf14826f9203e3305bbcb47c4b21c8117bf51c5442e39ba21"


class Refused(Exception):
    """Bytes that are no proof, or a proof of another map."""


class NotCovered(Exception):
    """The proof shows too little."""


class Sha256:
    empty = hashlib.sha256(b"").digest()

    @staticmethod
    def value(value):
        return hashlib.sha256(value).digest()

    @staticmethod
    def leaf(key, digest):
        return hashlib.sha256(b"\0" + varint(len(key)) + key + b"\x20" + digest).digest()

    @staticmethod
    def inner(left, right):
        return hashlib.sha256(b"\1" + left + right).digest()


class Blake3:
    empty = bytes.fromhex(EMPTY_BLAKE3)

    @staticmethod
    def value(value):
        return blake3(value).digest()

    @staticmethod
    def leaf(key, digest):
        return blake3(key + digest, key=bytes.fromhex(LEAF_KEY_BLAKE3)).digest()

    @staticmethod
    def inner(left, right):
        return blake3(left + right).digest()


def varint(number):
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def bits(key):
    """The prefix-free form."""
    return "".join(f"1{byte:08b}" for byte in key) + "0"


def parting(a, b):
    """The branch position at which two keys part."""
    a, b = bits(a), bits(b)
    return next(i for i in range(len(a)) if a[i] != b[i])


def root_of(profile, entries):
    """The root of a map, from its sorted entries."""
    if not entries:
        return profile.empty
    if len(entries) == 1:
        key, value = entries[0]
        return profile.leaf(key, profile.value(value))
    at = parting(entries[0][0], entries[-1][0])
    halves = [[entry for entry in entries if bits(entry[0])[at] == side] for side in "01"]
    return profile.inner(*(root_of(profile, half) for half in halves))


class Node:
    """`key` for leaves, `children` for inner nodes, neither for pruned subtrees."""

    def __init__(self, kind):
        self.kind, self.key, self.value, self.children = kind, None, None, None
        self.least, self.bound = 0, END


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Refused("Truncated")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self):
        number = 0
        for place in range(10):
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                if number >= 1 << 64 or (byte == 0 and place > 0):
                    break
                return number
        raise Refused("Number")


def decode(profile, data):
    """The nodes in pre-order, linked."""
    reader = Reader(data)
    kind, version = reader.take(2)
    if kind != ord("M"):
        raise Refused("NotAProof")
    if version != 1:
        raise Refused("UnknownVersion")
    count = reader.number()
    packed = reader.take((count + 3) // 4)
    kinds = [packed[i // 4] >> (i % 4 * 2) & 3 for i in range(4 * len(packed))]
    places = 1 if count else 0
    for kind in kinds[:count]:
        if places == 0:
            raise Refused("Shape")
        places += 1 if kind == 3 else -1
    if places or any(kinds[count:]):
        raise Refused("Shape")
    nodes, last = [], None
    for kind in kinds[:count]:
        node = Node(kind)
        nodes.append(node)
        if kind == 0:
            node.hash = reader.take(32)
        elif kind < 3:
            length = reader.number()
            if not 1 <= length <= 1024:
                raise Refused("KeyLength")
            node.key = reader.take(length)
            if last is not None and last >= node.key:
                raise Refused("KeyOrder")
            last = node.key
            if kind == 2:
                node.value = reader.take(reader.number())
                node.digest = profile.value(node.value)
            else:
                node.digest = reader.take(32)
    if reader.at < len(data):
        raise Refused("TrailingBytes")
    done = []
    for node in reversed(nodes):
        if node.kind == 3:
            node.children = [done.pop(), done.pop()]
        done.append(node)
    return nodes


def hash_of(profile, node):
    if node.kind == 3:
        return profile.inner(*(hash_of(profile, child) for child in node.children))
    return profile.leaf(node.key, node.digest) if node.key is not None else node.hash


def verify(profile, data, root):
    nodes = decode(profile, data)
    computed = hash_of(profile, nodes[0]) if nodes else profile.empty
    if computed != root:
        raise Refused("RootMismatch")
    return nodes


def shown(leaf):
    entry = {"key": leaf.key.hex()}
    entry.update({"value": leaf.value.hex()} if leaf.kind == 2 else {"digest": leaf.digest.hex()})
    return entry


def interval(nodes, start, end):
    """The leaves in a range. An end is None or a pair: the key, and whether it is included."""
    pieces = [node for node in nodes if node.kind < 3]  # leaves and pruned subtrees
    before = lambda key: start and (key < start[0] or key == start[0] and not start[1])
    behind = lambda key: end and (key > end[0] or key == end[0] and not end[1])
    if start and end and (start[0] > end[0] or start[0] == end[0] and not (start[1] and end[1])):
        return []
    for i, piece in enumerate(pieces):
        if piece.kind:
            continue
        lower = [leaf.key for leaf in pieces[:i] if leaf.kind][-1:]
        upper = [leaf.key for leaf in pieces[i:] if leaf.kind][:1]
        # All keys hidden here lie between `lower` and `upper`.
        if lower and end and lower[0] >= end[0] or upper and start and upper[0] <= start[0]:
            continue
        raise NotCovered
    return [leaf for leaf in pieces if leaf.kind and not before(leaf.key) and not behind(leaf.key)]


def get(nodes, key):
    found = interval(nodes, (key, True), (key, True))
    return shown(found[0]) if found else "absent"


def prefix_end(prefix):
    stripped = prefix.rstrip(b"\xff")
    return (stripped[:-1] + bytes([stripped[-1] + 1]), False) if stripped else None


def pieces_of(node):
    return sum(map(pieces_of, node.children), []) if node.kind == 3 else [node]


def leaves(node):
    return [piece for piece in pieces_of(node) if piece.kind]


def place(node, least):
    """Bounds where each inner node branches: from `least` on, and before `bound`."""
    if node.kind < 3:
        return
    left, right = map(leaves, node.children)
    node.least, node.bound = least, END
    if left and right:
        node.least = parting(left[-1].key, right[0].key)
        node.bound = node.least + 1
    for child in node.children:
        place(child, node.least + 1)
        node.bound = min(node.bound, child.bound)


def insert(node, index, new):
    """`node` with the leaf `new` behind its first `index` pieces; it parts from them at `new.at`."""
    if node.kind < 3 or node.least > new.at:
        top = Node(3)
        top.least, top.bound = new.at, new.at + 1
        top.children = [node, new] if bits(new.key)[new.at] == "1" else [new, node]
        return top
    if node.bound > new.at:
        raise NotCovered
    middle = len(pieces_of(node.children[0]))
    # Right in the middle, there are leaves on both sides: `least` is where the node branches.
    right = bits(new.key)[node.least] == "1" if index == middle else index > middle
    side = int(right)
    node.children[side] = insert(node.children[side], index - middle * side, new)
    return node


def without(node, key):
    if node.kind < 3:
        return None if node.key == key else node
    children = [without(child, key) for child in node.children]
    if None in children:
        return children[0] or children[1]
    node.children = children
    return node


def apply(profile, nodes, changes):
    """The root of the map after `changes`, pairs of a key and a value or None."""
    top = nodes[0] if nodes else None
    if top:
        place(top, 0)
    for key, value in changes:
        pieces = pieces_of(top) if top else []
        found = interval(pieces, (key, True), (key, True))
        if value is None:
            continue
        new = found[0] if found else Node(2)
        new.key, new.value, new.digest = key, value, profile.value(value)
        if top is None:
            top = new
        elif not found:
            index = next((i for i, p in enumerate(pieces) if p.kind and p.key > key), len(pieces))
            near = pieces[max(index - 1, 0) : index + 1]
            new.at = max(parting(key, piece.key) for piece in near)
            top = insert(top, index, new)
    for key, value in changes:
        if value is None and top:
            top = without(top, key)
    return hash_of(profile, top) if top else profile.empty


def answer(profile, nodes, question):
    unhex = bytes.fromhex
    end = lambda end: end and next((unhex(key), kind == "included") for kind, key in end.items())
    try:
        if "get" in question:
            return get(nodes, unhex(question["get"]))
        if "apply" in question:
            pairs = [(change["key"], change["value"]) for change in question["apply"]]
            pairs = [(unhex(key), None if value is None else unhex(value)) for key, value in pairs]
            return apply(profile, nodes, pairs).hex()
        if "prefix" in question:
            prefix = unhex(question["prefix"])
            found = interval(nodes, (prefix, True), prefix_end(prefix))
        else:
            found = interval(nodes, end(question["start"]), end(question["end"]))
        return [shown(leaf) for leaf in found]
    except NotCovered:
        return "not covered"


def check(case):
    profile = {"Sha256": Sha256, "Blake3": Blake3}[case["profile"]]
    root = bytes.fromhex(case["root"])
    if "entries" in case:
        entries = [tuple(map(bytes.fromhex, entry)) for entry in case["entries"]]
        assert root_of(profile, entries) == root, "another root"
        return
    data = bytes.fromhex(case["encoding"])
    try:
        verify(profile, data, root)
        verdict = "accepted"
    except Refused as refused:
        verdict = str(refused)
    assert verdict == case["verdict"], verdict
    for question in case["questions"]:
        # A transition changes the tree: each question has its own.
        found = answer(profile, verify(profile, data, root), question)
        assert found == question["answer"], (question, found)


def main():
    checked, skipped = 0, 0
    for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.json")):
        case = json.loads(path.read_text())
        if case["profile"] == "Blake3" and blake3 is None:
            skipped += 1
            continue
        try:
            check(case)
        except AssertionError as error:
            sys.exit(f"{path}: {error}")
        checked += 1
    print(f"checked: {checked} vectors")
    if skipped:
        print(f"skipped: {skipped} vectors of Blake3, for want of the Python module blake3")
    if not checked:
        sys.exit("no vectors")


if __name__ == "__main__":
    main()
