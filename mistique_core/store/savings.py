"""Where the bytes of a store went: from what stages logged to what is stored, step by step."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.intermediates import LOSSLESS
from mistique_core.catalogue.layouts import unpack_versions
from mistique_core.catalogue.tables import chunk, column_chunk, column_version, fitted, intermediate, stage
from mistique_core.partition import Codec

_BATCH = 10_000


@dataclass
class SchemeShare:
    """What is stored under one scheme.

    Attributes
    ----------
    scheme
        Its text; ``lossless`` also for the columns of a lossy intermediate that are no floats.
    columns
        Column versions: each content once.
    logged_bytes
        Bytes of all mentions of them by intermediates.
    logical_bytes
        Bytes of their values, each content once.
    stored_bytes
        Encoded bytes; a chunk that several schemes share counts for the first.
    """

    scheme: str
    columns: int = 0
    logged_bytes: int = 0
    logical_bytes: int = 0
    stored_bytes: int = 0


@dataclass(frozen=True)
class Savings:
    """What each mechanism saved, in bytes, in the order in which a value meets them.

    ``logged_bytes`` less all the others is ``stored_bytes``. Row ids count as a column. Of equal columns the first
    mention is the one that is stored, whichever stage made it.

    Attributes
    ----------
    logged_bytes
        Values of all intermediates as logged.
    not_kept_bytes
        Of columns that a policy let go, which a re-run makes again.
    reused_bytes
        Of outputs that were taken over instead of computed, and that the store held already.
    repeated_bytes
        Of columns that were computed, and turned out to be stored already: exact deduplication of whole columns.
    quantized_bytes
        By which lossy schemes made values smaller.
    repeated_chunks_bytes
        Of row blocks that another column holds already: exact deduplication of chunks.
    similar_bytes
        By which storing a chunk as its difference to a similar one made it smaller: approximate deduplication.
    encoded_bytes
        By which lossless encodings and compression made the rest smaller; negative where they made it larger.
    stored_bytes
        Encoded bytes of all columns, each chunk once.
    fitted_stored_bytes
        Encoded bytes of what stages have learned, each chunk once; not part of the sum.
    other_stored_bytes
        Encoded bytes of chunks that neither columns nor learned objects refer to: others may be stored as differences
        to them; the rest is what ``gc`` frees.
    schemes
        The same by scheme, the largest first.
    """

    logged_bytes: int
    not_kept_bytes: int
    reused_bytes: int
    repeated_bytes: int
    quantized_bytes: int
    repeated_chunks_bytes: int
    similar_bytes: int
    encoded_bytes: int
    stored_bytes: int
    fitted_stored_bytes: int
    other_stored_bytes: int
    schemes: tuple[SchemeShare, ...]


@dataclass
class _Mentions:
    """What intermediates refer to: per column version the mentions, and how much each kind of them saved."""

    logged: int = 0
    not_kept: int = 0
    reused: int = 0
    repeated: int = 0
    users: Counter[int] = field(default_factory=Counter)
    schemes: dict[int, str] = field(default_factory=dict)


def collect_savings(catalogue: Catalogue) -> Savings:
    """Return what each mechanism saved; every number is counted from the catalogue, no values are read."""
    with catalogue.read() as connection:
        sizes, lossy, categories = _versions(connection)
        mentions = _mentions(connection, sizes)
        pieces = _chunks(connection)
        owned = _chunks_of(connection, mentions.users, categories)
        learned = set(connection.scalars(sa.select(fitted.c.chunk_id)))
    shares: dict[str, SchemeShare] = {}
    seen: set[int] = set()
    quantized = mentioned = raw_once = similar = stored = plain = 0
    for version, users in mentions.users.items():
        name = mentions.schemes[version] if version in lossy else LOSSLESS
        share = shares.setdefault(name, SchemeShare(name))
        own = owned.get(version, ())
        raw = sum(pieces[item].raw_bytes for item in own)
        new = [pieces[item] for item in dict.fromkeys(own) if item not in seen]
        seen.update(own)
        share.columns += 1
        share.logged_bytes += sizes[version] * users
        share.logical_bytes += sizes[version]
        share.stored_bytes += sum(item.stored_bytes for item in new)
        quantized += sizes[version] - raw if version in lossy else 0
        plain += 0 if version in lossy else sizes[version] - raw
        mentioned += raw
        raw_once += sum(item.raw_bytes for item in new)
        similar += sum(item.saved_bytes for item in new)
        stored += sum(item.stored_bytes for item in new)
    learned -= seen
    return Savings(
        mentions.logged,
        mentions.not_kept,
        mentions.reused,
        mentions.repeated,
        quantized,
        mentioned - raw_once,
        similar,
        plain + raw_once - similar - stored,
        stored,
        sum(pieces[item].stored_bytes for item in learned),
        sum(piece.stored_bytes for item, piece in pieces.items() if item not in seen and item not in learned),
        tuple(sorted(shares.values(), key=lambda item: (-item.logged_bytes, item.scheme))),
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """One chunk: bytes of its array, encoded bytes, and what being a difference saved."""

    raw_bytes: int
    stored_bytes: int
    saved_bytes: int


def _versions(connection: sa.Connection) -> tuple[dict[int, int], set[int], dict[int, int]]:
    """Return column version -> logical bytes, those that are lossy, and column version -> that of its categories."""
    query = sa.select(
        column_version.c.id,
        column_version.c.logical_bytes,
        column_version.c.scheme.is_not(None),
        column_version.c.categories_id,
    )
    sizes, lossy, categories = {}, set(), {}
    for item, size, is_lossy, others in connection.execute(query):
        sizes[int(item)] = int(size)
        if is_lossy:
            lossy.add(int(item))
        if others is not None:
            categories[int(item)] = int(others)
    return sizes, lossy, categories


def _mentions(connection: sa.Connection, sizes: dict[int, int]) -> _Mentions:
    query = (
        sa.select(
            intermediate.c.columns,
            intermediate.c.row_id_version,
            intermediate.c.logical_bytes,
            intermediate.c.scheme,
            stage.c.reused_from.is_not(None).label("reused"),
        )
        .outerjoin(stage, stage.c.id == intermediate.c.stage_id)
        .order_by(intermediate.c.id)
    )
    found = _Mentions()
    for row in connection.execute(query.execution_options(yield_per=_BATCH)):
        ids = [int(row.row_id_version), *unpack_versions(bytes(row.columns)).tolist()]
        held = saved = 0
        for item in ids:
            size = sizes.get(item, 0)
            held += size
            saved += size if found.users[item] else 0
            found.users[item] += 1
            found.schemes.setdefault(item, str(row.scheme))
        found.logged += int(row.logical_bytes)
        found.not_kept += int(row.logical_bytes) - held
        if row.reused:
            found.reused += saved
        else:
            found.repeated += saved
    return found


def _chunks(connection: sa.Connection) -> dict[int, _Piece]:
    query = sa.select(
        chunk.c.id,
        chunk.c.dtype,
        sa.cast(chunk.c.shape, sa.Text).label("shape"),
        chunk.c.stored_bytes,
        sa.case((chunk.c.base_id.is_not(None), chunk.c.codec)).label("codec"),
    )
    itemsize: dict[str, int] = {}
    found = {}
    for item, dtype, shape, stored_bytes, codec in connection.execute(query.execution_options(yield_per=_BATCH)):
        width = itemsize.setdefault(dtype, np.dtype(dtype).itemsize)
        saved = 0 if codec is None else Codec.from_json(codec).transform.saved
        found[int(item)] = _Piece(width * math.prod(json.loads(shape)), int(stored_bytes), saved)
    return found


def _chunks_of(connection: sa.Connection, wanted: Counter[int], categories: dict[int, int]) -> dict[int, list[int]]:
    """Return column version -> its chunks and those of its categories."""
    own: dict[int, list[int]] = {}
    query = sa.select(column_chunk.c.column_version_id, column_chunk.c.chunk_id)
    for version, item in connection.execute(query.execution_options(yield_per=_BATCH)):
        own.setdefault(int(version), []).append(int(item))
    return {
        version: own.get(version, []) + (own.get(categories[version], []) if version in categories else [])
        for version in wanted
    }
