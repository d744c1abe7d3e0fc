"""Which tensors of a network the store holds already, from whatever network and run they come."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from mistique_core.catalogue.intermediates import intermediate_by_id
from mistique_core.catalogue.stages import find_reusable
from mistique_core.catalogue.tables import intermediate
from mistique_core.engine.outputs import LOSSLESS
from mistique_core.networks.capture_plan import StoredCopy
from mistique_core.networks.fingerprints import stored_fingerprint
from mistique_core.quantizers import Pool, Quantizer, Threshold, parse_scheme


def find_copies(
    connection: sa.Connection, values: Mapping[str, str | None], schemes: Mapping[str, str]
) -> dict[str, StoredCopy]:
    """Return tensor -> copy of it.

    Parameters
    ----------
    connection
        A connection.
    values
        Tensor -> fingerprint of its values, or ``None``.
    schemes
        Tensor -> text of the scheme whose copies are looked for; tensors that are missing are not looked for.
    """
    found = {}
    for name, scheme in schemes.items():
        fingerprint = stored_fingerprint(values[name], scheme, {})
        stage = None if fingerprint is None else find_reusable(connection, fingerprint)
        if stage is None:
            continue
        query = sa.select(intermediate.c.id).where(intermediate.c.stage_id == stage, intermediate.c.output == "")
        item = connection.scalar(query)
        if item is not None and intermediate_by_id(connection, int(item)).is_kept:
            found[name] = StoredCopy(stage, int(item), scheme, scheme == LOSSLESS, _is_whole(scheme))
    return found


def _is_whole(scheme: str) -> bool:
    return not _summarizes(parse_scheme(scheme))


def _summarizes(quantizer: Quantizer | None) -> bool:
    return isinstance(quantizer, (Pool, Threshold))
