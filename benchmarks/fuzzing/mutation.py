"""Mutations of bytes, of texts by their tokens, and of JSON values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Any

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_BYTES = (b"\x00" * 8, b"\xff" * 8, (1 << 40).to_bytes(8, "little"), b"\x7f", b"\x80", b"\x01")
ODD_TEXTS = (
    "",
    " ",
    "\x00",
    "\ud800",
    "\u202e",
    "²",
    "٣",
    "\U0001f3e0",
    "'",
    '"',
    "`",
    "\\",
    "\n",
    "\r\n",
    "../../etc/passwd",
    "..\\..\\x",
    "/etc/passwd",
    "file:///etc/passwd",
    "C:\\x",
    "'; DROP TABLE stage; --",
    "%s%n{0}${x}",
    "<script>alert(1)</script>",
    "![x](http://x.example/y)",
    "=cmd|' /C calc'!A0",
    "null",
    "true",
    "NaN",
    "Infinity",
    "-0",
    "1e999",
    "9" * 40,
    "9" * 5_000,
    "a" * 3_000,
    "p.m@1.x.y",
    "*",
    "@",
    ".",
    "..",
    "[" * 40,
    "{" * 40,
    "(" * 60,
    "&a",
    "*a",
    "<<",
    "!!python/object/apply:os.system",
    "!!binary",
    "%YAML 1.1\n---\n",
    "---",
    "...",
    "? ",
    "- ",
    ": ",
    "# ",
    "| ",
    "${env:HOME}",
    "${",
)


def mutate_bytes(random: Random, data: bytes, places: Sequence[int] | None = None) -> bytes:
    """Return bytes with some flipped, replaced, cut off, doubled or moved.

    Parameters
    ----------
    random
        Where choices come from.
    data
        The bytes.
    places
        Positions to prefer, such as those of metadata.
    """
    made = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        at = random.choice(places) if places and random.random() < 0.6 else random.randrange(len(made) or 1)
        match random.randrange(8):
            case 0 | 1 | 2:
                if at < len(made):
                    made[at] ^= 1 << random.randrange(8)
            case 3:
                made[at : at + 1] = bytes([random.randrange(256)])
            case 4:
                piece = random.choice(_BYTES)
                made[at : at + len(piece)] = piece
            case 5:
                start = random.randrange(len(made) or 1)
                size = random.choice((1, 4, 8, 64, 1_000))
                made[at : at + size] = made[start : start + size]
            case 6:
                size = random.choice((1, 2, 8, 100))
                if random.random() < 0.5:
                    del made[at : at + size]
                else:
                    made[at:at] = random.randbytes(size)
            case _:
                if random.random() < 0.3:
                    del made[at:]
    return bytes(made)


def mutate_text(random: Random, text: str, others: Sequence[str] = ()) -> str:
    """Return a text with some tokens left out, doubled, exchanged or replaced, by odd ones or those of other texts."""
    tokens = _TOKEN.findall(text)
    for _ in range(random.choice((1, 1, 2, 3, 6))):
        if not tokens:
            tokens = [""]
        at = random.randrange(len(tokens))
        match random.randrange(7):
            case 0:
                del tokens[at]
            case 1:
                tokens.insert(at, tokens[at])
            case 2:
                other = random.randrange(len(tokens))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 3:
                tokens[at] = random.choice(ODD_TEXTS)
            case 4:
                tokens.insert(at, random.choice(ODD_TEXTS))
            case 5:
                source = _TOKEN.findall(random.choice(others)) if others else tokens
                start = random.randrange(len(source) or 1)
                tokens[at:at] = source[start : start + random.choice((1, 3, 12))]
            case _:
                word = tokens[at]
                if word:
                    place = random.randrange(len(word))
                    tokens[at] = (
                        word[:place] + chr(random.choice((0, 9, 34, 39, 46, 64, 127, 0x2028))) + word[place + 1 :]
                    )
    return "".join(tokens)


def odd_value(random: Random, depth: int = 0) -> Any:
    """Return a JSON value that a careless reader does not expect."""
    match random.randrange(9 if depth < 3 else 7):
        case 0:
            return random.choice((None, True, False))
        case 1:
            return random.choice((0, -1, 1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**30))
        case 2:
            return random.choice((0.0, -0.0, 1e308, 5e-324, 0.1, 1e-7))
        case 3 | 4 | 5:
            return random.choice(ODD_TEXTS)
        case 6:
            return random.choice(([], {}))
        case 7:
            return [odd_value(random, depth + 1) for _ in range(random.randrange(4))]
        case _:
            return {random.choice(ODD_TEXTS): odd_value(random, depth + 1) for _ in range(random.randrange(4))}


def mutate_value(random: Random, value: Any) -> Any:
    """Return a JSON value with one part of it replaced, left out, doubled or renamed; the given one stays as it is."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        made = dict(value)
        name = random.choice(list(made))
        choice = random.random()
        if choice < 0.65:
            made[name] = mutate_value(random, made[name])
        elif choice < 0.8:
            del made[name]
        elif choice < 0.9:
            made[random.choice(ODD_TEXTS)] = made.pop(name)
        else:
            made[random.choice(ODD_TEXTS)] = odd_value(random)
        return made
    if isinstance(value, list) and value and random.random() < 0.9:
        items = list(value)
        at = random.randrange(len(items))
        choice = random.random()
        if choice < 0.65:
            items[at] = mutate_value(random, items[at])
        elif choice < 0.8:
            del items[at]
        else:
            items.insert(at, random.choice((items[at], odd_value(random))))
        return items
    return odd_value(random)
