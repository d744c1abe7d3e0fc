"""What nothing refers to any more: a pure function of references."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mistique_core.maintenance.references import NONE, Ids, References


@dataclass(frozen=True)
class Garbage:
    """Rows that nothing live refers to, each kind sorted by id.

    Attributes
    ----------
    versions
        Column versions.
    chunks, chunk_bytes
        Chunks, and their encoded bytes together.
    partitions, partition_bytes
        Partitions that hold no live chunk, and the length of each one's file.
    layouts
        Layouts.
    """

    versions: Ids
    chunks: Ids
    chunk_bytes: int
    partitions: Ids
    partition_bytes: Ids
    layouts: Ids


def find_garbage(references: References) -> Garbage:
    """Return what can be removed without any answer changing.

    An intermediate keeps its column versions alive, these those of their categories and their chunks;
    a fitted object keeps its chunk alive, a capture in progress what it has stored, and a difference the
    chunk that it is a difference to.
    """
    versions = live_versions(references)
    chunks = live_chunks(references, versions)
    dead = ~np.isin(references.chunks, chunks)
    holds_none = ~np.isin(references.partitions, np.unique(references.owners[~dead]))
    order = np.argsort(references.partitions[holds_none], kind="stable")
    return Garbage(
        versions=np.setdiff1d(references.versions, versions),
        chunks=np.sort(references.chunks[dead]),
        chunk_bytes=int(references.chunk_bytes[dead].sum()),
        partitions=references.partitions[holds_none][order],
        partition_bytes=references.partition_bytes[holds_none][order],
        layouts=np.setdiff1d(references.layouts, references.used_layouts),
    )


def live_versions(references: References) -> Ids:
    """Return the column versions that intermediates need, those of categories included."""
    return _closure(references.roots, references.versions, references.categories)


def live_chunks(references: References, versions: Ids) -> Ids:
    """Return the chunks that the given column versions, all fitted objects and captures in progress need."""
    used = references.link_chunks[np.isin(references.link_versions, versions)]
    return _closure(np.concatenate([used, references.fitted, references.captured]), references.chunks, references.bases)


def _closure(start: Ids, ids: Ids, targets: Ids) -> Ids:
    """Return `start` and everything that can be reached from it over (id -> target)."""
    found = np.unique(start)
    while True:
        reached = targets[np.isin(ids, found)]
        larger = np.union1d(found, reached[reached != NONE])
        if len(larger) == len(found):
            return found
        found = larger
