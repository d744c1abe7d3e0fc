"""The facade's calls that say where bytes went, and what they are worth."""

from __future__ import annotations

from collections.abc import Sequence

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.holdings import store_budget
from mistique_core.config import StoreConfig
from mistique_core.store.host_measurements import HostMeasurements
from mistique_core.store.savings import Savings, collect_savings
from mistique_core.store.use_counter import UseCounter
from mistique_core.store.worth import BudgetOutlook, IntermediateWorth, outlook, weigh_intermediates


class Inspected:
    """What :class:`Mistique` can say about its own bytes."""

    config: StoreConfig
    catalogue: Catalogue
    _measured: HostMeasurements
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
