"""Tell ModelDB about a run from any program, value by value (thesis 4.4.2)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from mistique_core.errors import InvalidInputError, did_you_mean
from mistique_core.model.event import FrameEntity, StageEvent, TransformerEntity
from mistique_core.modeldb.light_api.events import dataset_event, metric_event, model_events
from mistique_core.modeldb.light_api.plain_json import plain_json
from mistique_core.modeldb.light_api.read import ONLY, read_light_file
from mistique_core.modeldb.light_api.values import Dataset, Metric, Model, ModelConfig, ModelMetrics
from mistique_core.modeldb.run_recorder import RunRecorder
from mistique_core.modeldb.whole_run import name_for_keys
from mistique_core.store import Mistique

LIGHT = "light"
"""Source of runs that the Light API records."""


class LightRun:
    """One ExperimentRun; each call records at once. Open it with :func:`start`, best in a ``with`` statement.

    Attributes
    ----------
    store
        Where it is recorded.

    Raises
    ------
    InvalidInputError
        If a name cannot be used in keys.
    """

    def __init__(self, store: Mistique, project: str, model: str | None, *, owns_store: bool, **header: Any) -> None:
        self.store = store
        self._project = project
        self._header = header
        self._owns_store = owns_store
        self._recorder: RunRecorder | None = None
        self._waiting: list[StageEvent] = []
        self._datasets: dict[str, tuple[Dataset, FrameEntity]] = {}
        self._models: dict[int, tuple[Model, TransformerEntity]] = {}
        if model is not None:
            self._open(model)

    @property
    def key(self) -> tuple[str, str]:
        """Name and id of the run, by which it is found again.

        Raises
        ------
        InvalidInputError
            If nothing is recorded yet, because no model is known.
        """
        if self._recorder is None:
            raise InvalidInputError("the run begins with its first model; call sync_model, or give start() a model")
        return self._recorder.key.dag_id, self._recorder.key.run_id

    @property
    def label(self) -> str:
        """``project.model@version``; raises like :attr:`key`."""
        self.key  # noqa: B018 (it tells what is wrong)
        assert self._recorder is not None
        return self._recorder.label

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish(None if error is None else f"{type(error).__name__}: {error}")

    def finish(self, error: str | None = None) -> None:
        """Record the end of the run, and close the store if :func:`start` opened it."""
        try:
            if self._recorder is None and self._waiting:
                self._open(LIGHT)
            if self._recorder is not None:
                self._recorder.finish(error)
        finally:
            if self._owns_store:
                self.store.close()

    def sync_datasets(self, datasets: Dataset | Iterable[Dataset] | Mapping[str, Dataset]) -> None:
        """Record datasets.

        Parameters
        ----------
        datasets
            One; several, each with a tag; or tag -> dataset. One without a tag is tagged ``default``.

        Raises
        ------
        InvalidInputError
            If one of several has no tag, or a tag names another dataset already.
        """
        self._record_with(self._new_datasets(_tagged(datasets)), [])

    def sync_model(self, data_tag: str | None, config: ModelConfig | Mapping[str, Any], model: Model) -> None:
        """Record a model that was fitted with some settings on a dataset, and the metrics that it carries.

        Parameters
        ----------
        data_tag
            Tag of the dataset; ``None`` where it is not known.
        config
            Its settings.
        model
            The model.

        Raises
        ------
        InvalidInputError
            If no dataset has that tag.
        """
        settings = config.config if isinstance(config, ModelConfig) else config
        whole = _plain(replace(model, config={**model.config, **settings}, tag=data_tag or ""))
        for tag in (data_tag, *(metric.tag or None for metric in whole.metrics)):
            self._frame(tag)
        events = model_events(whole, {tag: frame for tag, (_, frame) in self._datasets.items()})
        if self._recorder is None:
            self._open(model.name)
        self._record(events)
        self._models[id(model)] = (model, events[0].fitted["model"])

    def sync_metrics(self, data_tag: str | None, model: Model, metrics: ModelMetrics | Mapping[str, float]) -> None:
        """Record how good a model is on a dataset.

        Parameters
        ----------
        data_tag
            Tag of the dataset that it was measured on, which need not be the one that it was fitted on; ``None`` where
            it is not known.
        model
            The very object that was given to :meth:`sync_model`.
        metrics
            Name -> value.

        Raises
        ------
        InvalidInputError
            If no dataset has that tag, or the model is not recorded.
        """
        if id(model) not in self._models:
            raise InvalidInputError(f"model {model.name!r} is not recorded; give the same object to sync_model before")
        values = metrics.metrics if isinstance(metrics, ModelMetrics) else metrics
        found = [Metric(str(name), _number(str(name), value)) for name, value in values.items()]
        data = None if data_tag is None else self._frame(data_tag)
        self._record([metric_event(found, self._models[id(model)][1], data)])

    def sync_all(self, source: str | os.PathLike[str] | Mapping[str, Any]) -> tuple[Model, ...]:
        """Record everything that a YAML or JSON file, or a mapping of the same form, says.

        Its project, experiment, description, code version and free keys at the top are those of a run of its own, so
        they are not looked at here: :func:`import_file` makes such a run.

        Returns
        -------
        tuple of Model
            The models, for :meth:`sync_metrics`.

        Raises
        ------
        NotFoundError
            If there is no such file.
        LightFileError
            If it cannot be used; nothing is recorded then.
        """
        file = read_light_file(source)
        reads = self._new_datasets(file.datasets)
        frames = {tag: frame for tag, (_, frame) in self._datasets.items()}
        made = [(model, model_events(model, frames)) for model in file.models]
        if self._recorder is None:
            self._open(file.models[0].name)
        self._record_with(reads, [event for _, found in made for event in found])
        self._models |= {id(model): (model, found[0].fitted["model"]) for model, found in made}
        return file.models

    def _new_datasets(self, datasets: Iterable[Dataset]) -> list[StageEvent]:
        """Return the events of those datasets that are new, which are known from now on."""
        found: dict[str, Dataset] = {}
        for item in datasets:
            dataset = replace(item, metadata=plain_json(item.metadata, "metadata"), extra=plain_json(item.extra))
            known = found.get(item.tag) or self._datasets.get(item.tag, (None,))[0]
            if known is not None and known != dataset:
                raise InvalidInputError(
                    f"tag {item.tag!r} names {known.filename!r} already, with other facts; give {item.filename!r} "
                    "another tag"
                )
            if known is None:
                found[item.tag] = dataset
        events = [dataset_event(dataset) for dataset in found.values()]
        for dataset, event in zip(found.values(), events, strict=True):
            self._datasets[dataset.tag] = (dataset, event.frames[""])
        return events

    def _record_with(self, reads: list[StageEvent], others: list[StageEvent]) -> None:
        """Record new datasets and what is about them; if that fails, they are not known any more."""
        try:
            self._record([*reads, *others])
        except BaseException:
            for event in reads:
                del self._datasets[event.frames[""].tag]
            raise

    def _frame(self, tag: str | None) -> FrameEntity | None:
        if tag is None:
            return None
        if tag not in self._datasets:
            hint = did_you_mean(tag, self._datasets) if self._datasets else "call sync_datasets before"
            raise InvalidInputError(f"no dataset of this run is tagged {tag!r}; {hint}")
        return self._datasets[tag][1]

    def _open(self, model: str) -> None:
        name = name_for_keys(model)
        header = {"name": name, **self._header}
        self._recorder = RunRecorder(self.store.catalogue, self._project, name, source=LIGHT, **header)

    def _record(self, events: list[StageEvent]) -> None:
        if self._recorder is None:
            self._waiting += events
            return
        if self._waiting or events:
            self._recorder.record([*self._waiting, *events])
            self._waiting = []


def start(
    project: str,
    model: str | None = None,
    *,
    store: Mistique | str | os.PathLike[str] | None = None,
    experiment: str | None = None,
    name: str | None = None,
    description: str | None = None,
    code_version: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> LightRun:
    """Open a run.

    Parameters
    ----------
    project, model
        What it belongs to; the model is by default that of the first :meth:`LightRun.sync_model`. What keys cannot hold
        in the name of a model becomes ``_``.
    store
        An open store, or the folder of one; default ``$MISTIQUE_HOME``, then ``~/.mistique``. What is opened here is
        closed with the run.
    experiment
        Groups runs of a project; default `name`.
    name
        Name of the program; default the model.
    description, code_version, metadata
        For people, the commit of the code, and free JSON.

    Raises
    ------
    InvalidInputError
        If a name cannot be used in keys.
    """
    header: dict[str, Any] = {"experiment": experiment, "description": description, "code_version": code_version}
    if name is not None:
        header["name"] = name
    if metadata is not None:
        header["metadata"] = plain_json(metadata, "metadata")
    if isinstance(store, Mistique):
        return LightRun(store, project, model, owns_store=False, **header)
    opened = Mistique.open(store)
    try:
        return LightRun(opened, project, model, owns_store=True, **header)
    except BaseException:
        opened.close()
        raise


def _tagged(datasets: Dataset | Iterable[Dataset] | Mapping[str, Dataset]) -> list[Dataset]:
    if isinstance(datasets, Dataset):
        return [replace(datasets, tag=datasets.tag or ONLY)]
    if isinstance(datasets, Mapping):
        return [replace(dataset, tag=tag) for tag, dataset in datasets.items()]
    found = list(datasets)
    if len(found) == 1:
        return _tagged(found[0])
    for dataset in found:
        if not dataset.tag:
            raise InvalidInputError(f"dataset {dataset.filename!r} has no tag; several datasets need one each")
    return found


def _plain(model: Model) -> Model:
    metrics = tuple(
        replace(metric, value=_number(metric.name, metric.value), extra=plain_json(metric.extra))
        for metric in model.metrics
    )
    return replace(
        model,
        config=plain_json(model.config, "config"),
        metadata=plain_json(model.metadata, "metadata"),
        metrics=metrics,
    )


def _number(name: str, value: float) -> float:
    found = plain_json(value, name)
    if not isinstance(found, int | float) or isinstance(found, bool):
        raise InvalidInputError(f"metric {name!r} is {value!r}; give a finite number")
    return float(found)
