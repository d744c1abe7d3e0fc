"""Which tensors of a network the store holds already, from whatever network and run they come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from mistique_core.catalogue.entities import SUCCESS
from mistique_core.catalogue.intermediates import LOSSLESS, columns_of
from mistique_core.catalogue.tables import intermediate, stage
from mistique_core.networks.capture_plan import StoredCopy
from mistique_core.networks.fingerprints import VALUES_DIGITS, stored_fingerprint
from mistique_core.quantizers import Pool, Threshold, parse_scheme

_BEYOND_DIGITS = "g"


@dataclass(frozen=True)
class Copies:
    """Copies of tensors.

    Attributes
    ----------
    reusable
        Tensor -> copy by the wanted scheme.
    best
        Tensor -> the copy whose values are nearest to those of the network.
    """

    reusable: dict[str, StoredCopy]
    best: dict[str, StoredCopy]


def find_copies(connection: sa.Connection, values: Mapping[str, str | None], wanted: Mapping[str, str]) -> Copies:
    """Return the copies that are stored.

    Parameters
    ----------
    connection
        A connection.
    values
        Tensor -> fingerprint of its values, or ``None``.
    wanted
        Tensor that is to be logged -> text of its scheme.
    """
    found = Copies({}, {})
    for name, fingerprint in values.items():
        if fingerprint is None:
            continue
        copies = _copies(connection, fingerprint)
        if name in wanted:
            own = [item for item in copies if item.scheme == wanted[name]]
            if own:
                found.reusable[name] = own[0]
        whole = {item.scheme: item for item in reversed(copies) if item.is_whole}
        if LOSSLESS in whole:
            found.best[name] = whole[LOSSLESS]
        elif len(whole) == 1:
            found.best[name] = whole.popitem()[1]
        elif whole:
            found.best[name] = min(whole.values(), key=lambda item: _error(connection, item))
    return found


def _copies(connection: sa.Connection, values: str) -> list[StoredCopy]:
    """Return all copies of some values that were not computed from lossy copies, the newest first."""
    start = values[:VALUES_DIGITS]
    query = (
        sa.select(stage.c.id, stage.c.fingerprint, intermediate.c.id.label("item"), intermediate.c.scheme)
        .join(intermediate, intermediate.c.stage_id == stage.c.id)
        .where(
            stage.c.fingerprint >= start,
            stage.c.fingerprint < start + _BEYOND_DIGITS,
            stage.c.state == SUCCESS,
            intermediate.c.output == "",
            intermediate.c.unstored.is_(None),
        )
        .order_by(stage.c.reused_from.is_(None).desc(), stage.c.id.desc())
    )
    return [
        StoredCopy(int(row.id), int(row.item), row.scheme, row.scheme == LOSSLESS, _is_whole(row.scheme))
        for row in connection.execute(query)
        if row.fingerprint == stored_fingerprint(values, row.scheme, {})
    ]


def _error(connection: sa.Connection, copy: StoredCopy) -> float:
    return max((column.max_abs_error for column in columns_of(connection, copy.intermediate)), default=0.0)


def _is_whole(scheme: str) -> bool:
    return not isinstance(parse_scheme(scheme), (Pool, Threshold))
