"""Open the recorder of a script's run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mistique_core.catalogue.database import Catalogue
from mistique_core.model.names import MAX_CHARACTERS, RESERVED
from mistique_core.modeldb.run_recorder import RunRecorder

if TYPE_CHECKING:
    from mistique_core.store import Mistique


def script_name() -> str:
    """Return the name of the running script without its folder and its ending; ``script`` where there is none."""
    name = Path(sys.argv[0]).stem if sys.argv and sys.argv[0] not in ("", "-c", "-m") else ""
    if name in ("ipykernel_launcher", "colab_kernel_launcher"):
        name = "notebook"
    clean = "".join("_" if letter in RESERVED or not letter.isprintable() else letter for letter in name)
    return clean.strip()[:MAX_CHARACTERS] or "script"


def open_recorder(
    project: str,
    model: str | None,
    store: Mistique | str | os.PathLike[str] | None,
    *,
    experiment: str | None = None,
    description: str | None = None,
    check: Callable[[Catalogue], None] | None = None,
) -> tuple[RunRecorder, Catalogue, Callable[[], None] | None]:
    """Return what records an ExperimentRun; it is not added to the catalogue yet.

    Parameters
    ----------
    project, model
        What it belongs to; the model's name is the script's by default.
    store
        A store, its location, or ``None`` for the default one.
    experiment, description
        See :class:`RunRecorder`.
    check
        Looks at the catalogue before; raises to prevent the run.

    Returns
    -------
    tuple
        The recorder, its catalogue, and what closes the store, if it was opened here.
    """
    from mistique_core.store import Mistique

    opened = store if isinstance(store, Mistique) else Mistique.open(store)
    close = None if opened is store else opened.close
    name = script_name()
    try:
        if check is not None:
            check(opened.catalogue)
        recorder = RunRecorder(
            opened.catalogue,
            project,
            model or name,
            experiment=experiment,
            name=name,
            description=description,
            is_begun_later=True,
        )
    except BaseException:
        if close is not None:
            close()
        raise
    return recorder, opened.catalogue, close
