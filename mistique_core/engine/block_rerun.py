"""A re-run in progress: row blocks that several processes re-run and store, until all of them are there.

It is noted as a capture is (:mod:`mistique_core.catalogue.captures`): a row for the re-run, one for each row block that
is stored. What is stored is registered, and so found again, but belongs to no intermediate. The process that finds
all row blocks stored compares their content addresses with the recorded ones, and in one transaction ends the re-run
and lets the intermediate refer to its columns again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence

from mistique_core.catalogue.captures import (
    CapturedBlock,
    CapturedRows,
    CaptureEndedError,
    OpenCapture,
    beat,
    check_open,
    end_capture,
    end_captures,
    load_blocks,
    open_capture,
    save_blocks,
    saved_numbers,
)
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.intermediates import IntermediateRecord
from mistique_core.catalogue.letting_go import note_rerun, unstored_of
from mistique_core.dedup import json_hash
from mistique_core.engine.commit import Committer
from mistique_core.engine.keep import Guard, keep_units
from mistique_core.engine.row_blocks import RowBlocks
from mistique_core.engine.unit_keep import EncodedUnits
from mistique_core.engine.unit_stream import EncodedRows
from mistique_core.errors import RerunMismatchError

log = logging.getLogger(__name__)

_ALL = ""
"""The name of the only intermediate of a re-run, among its chunks."""


class BlockRerun:
    """Stores row blocks of one intermediate that is not kept, and keeps it again after the last one.

    Parameters
    ----------
    catalogue, committer
        The store.
    record
        The intermediate.
    blocks
        Its row blocks.

    Attributes
    ----------
    added_bytes
        Bytes of the chunks that this process has stored.
    """

    def __init__(
        self, catalogue: Catalogue, committer: Committer, record: IntermediateRecord, blocks: RowBlocks
    ) -> None:
        self._catalogue = catalogue
        self._committer = committer
        self._record = record
        self._blocks = blocks
        self.added_bytes = 0

    def begin(self) -> OpenCapture:
        """Return the re-run in progress, or begin it.

        Raises
        ------
        CaptureEndedError
            If the intermediate is kept again meanwhile, or gone.
        """
        item = self._record
        key = json_hash({"rerun": [item.ref.id, item.created_at], "rows": [item.ref.rows, self._blocks.rows]})
        document = json.dumps({"rerun": item.ref.id, "blocks": self._blocks.count}).encode()
        with self._catalogue.write() as connection:
            opened = open_capture(connection, item.model_version_id, key, document)
            beat(connection, opened.id)
            if unstored_of(connection, item.ref.id) is None:  # the transaction that ended it made that visible too
                raise CaptureEndedError(f"{item.ref.intermediate} has been kept again by others, or deleted")
        return opened

    def missing(self, opened: OpenCapture, numbers: Iterable[int]) -> list[int]:
        """Return those of some row blocks that nobody has stored."""
        with self._catalogue.read() as connection:
            saved = saved_numbers(connection, opened.id)
        return [number for number in numbers if number not in saved]

    def store(self, opened: OpenCapture, made: Iterable[tuple[int, EncodedRows]]) -> int:
        """Store row blocks as they come, registering them as partitions fill; return their number.

        Raises
        ------
        CaptureEndedError
            If others have ended the re-run meanwhile.
        ChunksGoneError
            If chunks that were stored before have been deleted meanwhile; repeat it.
        StorageError
            If bytes cannot be written.
        """
        write = self._committer.blocks()
        waiting: list[tuple[int, CapturedBlock]] = []
        count = 0

        def register() -> None:
            addresses = [chunk[3] for _, block in waiting for chunk in block[_ALL].chunks]
            write.register(lambda connection: save_blocks(connection, opened.id, waiting), addresses)
            waiting.clear()

        try:
            for number, encoded in made:
                added = write.add(write.encode(write.unknown(encoded.arrays)))
                self.added_bytes += added
                waiting.append((number, {_ALL: CapturedRows(encoded.chunks, encoded.errors, added, encoded.facts)}))
                count += 1
                if write.is_due:
                    register()
            if waiting:
                register()
        finally:
            write.close()
        return count

    def finish(self, opened: OpenCapture, guard: Guard) -> int:
        """Keep the intermediate again if all row blocks are stored; return how many are.

        Parameters
        ----------
        opened
            The re-run.
        guard
            Keeps budgets.

        Raises
        ------
        RerunMismatchError
            If they are not what was recorded: the re-run ends, and nothing refers to what it stored.
        CaptureEndedError
            If another process was first.
        NoRoomError
            If a budget has no room.
        """
        with self._catalogue.read() as connection:
            check_open(connection, opened.id)
            saved = [block[_ALL] for block in load_blocks(connection, opened.id)]
        if len(saved) < self._blocks.count:
            return len(saved)
        encoded = self._blocks.columns(saved)
        self._compare(opened, encoded)
        keep_units(
            self._committer,
            self._record,
            encoded,  # all of it, because what is kept of it already may be let go meanwhile
            guard,
            registered_bytes=sum(rows.stored_bytes for rows in saved),
            begin=lambda connection: end_capture(connection, opened.id),
        )
        return len(saved)

    def give_up(self, opened: OpenCapture) -> None:
        """End the re-run: what it has stored is garbage now."""
        with self._catalogue.write() as connection:
            end_captures(connection, [opened.id])

    def _compare(self, opened: OpenCapture, encoded: EncodedUnits) -> None:
        recorded = self._blocks.recorded
        different = [position for position, column in encoded.columns.items() if column.address != recorded[position]]
        if not different:
            return
        with self._catalogue.write() as connection:
            end_captures(connection, [opened.id])
            note_rerun(connection, self._record.ref.id, False)
        raise RerunMismatchError(
            f"{len(different)} of {len(recorded)} groups of columns of {self._record.ref.intermediate} differ from "
            f"what was recorded in at least one bit ({_shown(different)}), so that nothing is stored; re-run it on a "
            "machine like the one that recorded it, or log it again"
        )


def _shown(positions: Sequence[int]) -> str:
    """Return the numbers of some groups for people."""
    shown = ", ".join(map(str, positions[:5]))
    return f"number {shown}" if len(positions) <= 5 else f"number {shown} and {len(positions) - 5} more"
