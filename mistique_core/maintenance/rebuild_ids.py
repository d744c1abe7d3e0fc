"""Finding out which column version had which id: a pure function of frames and descriptions.

An intermediate knows its column versions by id only, and a partition file describes them by address
only. Where the rows between the two are lost, the order in which a frame's columns were described gives
a guess, and the frame's own address proves it: a wrong guess is never accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mistique_core.catalogue.layouts import Layout, frame_address

_MOST_GUESSES = 20_000


@dataclass(frozen=True)
class Frame:
    """An intermediate.

    Attributes
    ----------
    id
        Its row.
    label
        ``project.model@version.intermediate``.
    address
        Content address.
    rows
        Number of rows.
    row_id
        Id of its row ids' column version.
    columns
        Ids of its column versions.
    layout
        Names of its columns.
    unkept
        Addresses of all its columns where not all are kept.
    kept
        Then: the positions among them of those that have ids, in the order of `columns`.
    """

    id: int
    label: str
    address: bytes
    rows: int
    row_id: int
    columns: tuple[int, ...]
    layout: Layout
    unkept: tuple[bytes, ...] = ()
    kept: tuple[int, ...] = ()

    @property
    def ids(self) -> list[int]:
        """All column versions, each once, in the order in which a writer describes them: units before row ids."""
        items = (self.row_id, *self.columns) if self.layout.members is None else (*self.columns, self.row_id)
        return list(dict.fromkeys(items))

    @property
    def known(self) -> dict[int, bytes]:
        """Id -> address of the columns whose addresses the intermediate knows itself."""
        return {item: self.unkept[position] for item, position in zip(self.columns, self.kept, strict=False)}


@dataclass(frozen=True)
class Described:
    """A column version that a file describes.

    Attributes
    ----------
    address
        Content address.
    rows
        Length of the column.
    is_categories
        Whether it holds the categories of another one.
    id
        The id that it had when it was copied, where the file says so.
    """

    address: bytes
    rows: int
    is_categories: bool
    id: int | None = None


def resolve_versions(
    frames: Iterable[Frame], known: Mapping[int, bytes], groups: Sequence[Sequence[Described]]
) -> dict[int, bytes]:
    """Return id -> address of column versions that are not known, as far as it can be proved.

    Parameters
    ----------
    frames
        All intermediates.
    known
        Id -> address of the column versions that are there.
    groups
        What was described together, in the order of writing.
    """
    frames = list(frames)
    found = {item: address for frame in frames for item, address in frame.known.items()} | dict(known)
    waiting = [frame for frame in sorted(frames, key=lambda frame: frame.id) if not found.keys() >= set(frame.ids)]
    hints = {item.id: item.address for group in groups for item in group if item.id is not None}
    for frame in waiting:
        guess = {item: hints[item] for item in frame.ids if item not in found and item in hints}
        if _is_proved(frame, {**found, **guess}):
            found.update(guess)
    progress = True
    while progress:
        progress = False
        waiting = [frame for frame in waiting if not found.keys() >= set(frame.ids)]
        for frame in waiting:
            proved = _guess(frame, found, groups)
            found.update(proved)
            progress = progress or bool(proved)
    return {item: address for item, address in found.items() if item not in known}


def _guess(frame: Frame, found: Mapping[int, bytes], groups: Sequence[Sequence[Described]]) -> dict[int, bytes]:
    """Return the first guess that is proved, or nothing."""
    missing = [item for item in frame.ids if item not in found]
    taken = set(found.values())
    for number, addresses in enumerate(_windows(frame, len(missing), taken, groups)):
        if number >= _MOST_GUESSES:
            break
        guess = dict(zip(missing, addresses, strict=True))
        if guess and _is_proved(frame, {**found, **guess}):
            return guess
    return {}


def _windows(
    frame: Frame, count: int, taken: set[bytes], groups: Sequence[Sequence[Described]]
) -> Iterator[Sequence[bytes]]:
    """Yield the addresses of `count` descriptions in a row, of columns as long as the frame."""
    for with_categories in (False, True):
        for group in groups:
            if with_categories and not any(item.is_categories for item in group):
                continue
            fitting = [
                item.address
                for item in group
                if item.rows == frame.rows and item.address not in taken and (with_categories or not item.is_categories)
            ]
            for start in range(len(fitting) - count + 1):
                yield fitting[start : start + count]


def _is_proved(frame: Frame, addresses: Mapping[int, bytes]) -> bool:
    if not addresses.keys() >= set(frame.ids):
        return False
    versions = list(frame.unkept) or [addresses[item] for item in frame.columns]
    if frame.layout.members is None and len(versions) != len(frame.layout.names):
        return False
    return frame_address(addresses[frame.row_id], frame.layout, versions) == frame.address
