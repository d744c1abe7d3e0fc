"""The facade's calls that say where bytes went, and what they are worth."""

from __future__ import annotations

from collections.abc import Sequence

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.holdings import store_budget
from mistique_core.catalogue.intermediates import find_intermediate
from mistique_core.config import StoreConfig
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.model import IntermediateKey
from mistique_core.store.host_measurements import HostMeasurements
from mistique_core.store.savings import Savings, collect_savings
from mistique_core.store.some_rows import RowIds, page_of_rows, sample_of_rows
from mistique_core.store.use_counter import UseCounter
from mistique_core.store.worth import BudgetOutlook, IntermediateWorth, outlook, weigh_intermediates


class Inspected:
    """What :class:`Mistique` can say about its own bytes."""

    config: StoreConfig
    catalogue: Catalogue
    _measured: HostMeasurements
    frame_reader: FrameReader
    _uses: UseCounter

    def savings(self) -> Savings:
        """Return what reuse, deduplication, quantization and encoding each saved, in bytes."""
        return collect_savings(self.catalogue)

    def worth(self, ids: Sequence[int]) -> list[IntermediateWorth]:
        """Return gamma of thesis Eq. 5.5, and its terms, of some intermediates.

        Parameters
        ----------
        ids
            Ids of intermediates; the answer keeps their order.

        Raises
        ------
        NotFoundError
            If one does not exist.
        """
        with self.catalogue.read() as connection:
            return weigh_intermediates(connection, ids, self._uses.of, self._measured.rates)

    @property
    def budget_bytes(self) -> int | None:
        """Budget of the whole store: the smaller of the setting and the one last enforced; ``None`` for none."""
        with self.catalogue.read() as connection:
            known = [item for item in (self.config.budget_bytes, store_budget(connection)) if item is not None]
        return min(known, default=None)

    def budget_outlook(self, most: int = 20) -> BudgetOutlook:
        """Return what counts in the store's budget, and the first `most` items in the order in which they would go."""
        with self.catalogue.read() as connection:
            return outlook(connection, self._measured.rates, most)

    def row_ids(
        self, key: str | IntermediateKey, *, start: int = 0, stop: int | None = None, sample: int | None = None
    ) -> RowIds:
        """Return row ids of an intermediate, int64, in stored order; no other values are read.

        Parameters
        ----------
        key
            Of the intermediate, or of one of its columns.
        start, stop
            Places from `start` (inclusive) to `stop` (exclusive); all by default.
        sample
            Instead: how many, drawn at random, the same ones whenever they are asked for.

        Raises
        ------
        NotFoundError
            If there is no such intermediate.
        """
        with self.catalogue.read() as connection:
            record = find_intermediate(connection, IntermediateKey.parse(key))
            if sample is not None:
                return sample_of_rows(connection, self.frame_reader, record, sample)
            return page_of_rows(connection, self.frame_reader, record, start, record.ref.rows if stop is None else stop)
