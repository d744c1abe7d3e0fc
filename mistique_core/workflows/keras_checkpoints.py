"""A Keras callback: every n-th epoch of a training becomes a checkpoint, as a file, as intermediates, or both.

Importing this module imports Keras.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from mistique_core.errors import InvalidInputError, StorageError
from mistique_core.model.names import check_name

if TYPE_CHECKING:
    from mistique_core.store import Run
    from mistique_core.store.network_report import NetworkReport

log = logging.getLogger(__name__)

FORMATS = {"keras": ".keras", "weights": ".weights.h5"}
"""Format of a checkpoint's file -> its ending."""


@dataclass(frozen=True)
class Checkpoint:
    """One epoch that was kept.

    Attributes
    ----------
    epoch
        Counted from 1.
    model
        Name of its model in the store.
    paths
        Format -> file.
    report
        What logging its intermediates gave; ``None`` if they were not logged.
    """

    epoch: int
    model: str
    paths: Mapping[str, Path]
    report: NetworkReport | None = None


class LogCheckpoints(keras.callbacks.Callback):  # type: ignore[misc]  # Keras carries no types
    """Keep every n-th epoch; the model of epoch 3 of ``vgg16`` is ``vgg16_epoch03``.

    Parameters
    ----------
    model
        Name of the model that is trained.
    every
        An epoch is kept if its number, counted from 1, is a multiple of this.
    folder
        Where the files go, ``epoch03.keras`` and so on; made where it does not exist. Files of the same name are
        replaced, each when it is complete. ``None``: no files.
    formats
        ``keras`` (the whole network), ``weights`` (``.weights.h5``), or both.
    open_run
        Given a model's name, returns the run that its intermediates belong to, as a context manager that ends it.
        ``None``: intermediates are not logged.
    input_func
        What is fed to the network to capture its layers; see :meth:`Run.log_network`.
    **capture
        Further arguments of :meth:`Run.log_network`: ``layers``, ``scheme``, ``batch_rows``, ``reuse``.

    Attributes
    ----------
    checkpoints
        What was kept so far.

    Examples
    --------
    >>> network.fit(x, y, epochs=10, callbacks=[                                                 # doctest: +SKIP
    ...     LogCheckpoints("vgg16", open_run=partial(store.run, "cifar10"), input_func=network_input)])
    """

    def __init__(
        self,
        model: str,
        *,
        every: int = 1,
        folder: str | os.PathLike[str] | None = None,
        formats: Sequence[str] = ("keras",),
        open_run: Callable[[str], AbstractContextManager[Run]] | None = None,
        input_func: Any = None,
        **capture: Any,
    ) -> None:
        super().__init__()
        check_name("model", model)
        if not isinstance(every, int) or isinstance(every, bool) or every < 1:
            raise InvalidInputError(f"every={every!r} is not a positive integer; give a number of at least 1")
        unknown = [name for name in formats if name not in FORMATS]
        if unknown or not formats:
            raise InvalidInputError(f"formats={list(formats)!r} must name one or more of {', '.join(FORMATS)}")
        if folder is None and open_run is None:
            raise InvalidInputError("neither folder nor open_run is given, so that no epoch would be kept; give one")
        if (open_run is None) != (input_func is None):
            raise InvalidInputError("open_run and input_func belong together; give both, or neither")
        self._name = model
        self._every = every
        self._folder = None if folder is None else Path(folder).expanduser()
        self._formats = tuple(formats)
        self._open_run = open_run
        self._input_func = input_func
        self._capture = capture
        self.checkpoints: list[Checkpoint] = []

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Keep the epoch if its turn has come; `epoch` counts from 0."""
        number = epoch + 1
        if number % self._every:
            return
        model = f"{self._name}_epoch{number:02d}"
        paths = {} if self._folder is None else self._save(self._folder, number)
        self.checkpoints.append(Checkpoint(number, model, paths, self._log(model)))

    def _save(self, folder: Path, number: int) -> dict[str, Path]:
        paths = {}
        for kind in self._formats:
            path = folder / f"epoch{number:02d}{FORMATS[kind]}"
            unfinished = folder / f".unfinished{FORMATS[kind]}"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                if kind == "keras":
                    self.model.save(unfinished)
                else:
                    self.model.save_weights(unfinished, overwrite=True)
                unfinished.replace(path)
            except OSError as error:
                raise StorageError(f"cannot write {str(path)!r}: {error}; choose another folder") from error
            log.info("epoch %d: saved %s", number, path)
            paths[kind] = path
        return paths

    def _log(self, model: str) -> NetworkReport | None:
        if self._open_run is None:
            return None
        with self._open_run(model) as run:
            return run.log_network(self.model, self._input_func, **self._capture)
