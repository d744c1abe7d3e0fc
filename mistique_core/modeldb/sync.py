"""The ``_sync`` calls of the thesis (4.4.1): as scikit-learn's, and recorded.

::

    with Syncer("credit"):
        frame = read_csv_sync("credit.csv")
        X_train, X_test, y_train, y_test = train_test_split_sync(frame.drop_sync(columns="default"), frame["default"])
        model = LogisticRegression().fit_sync(X_train, y_train)
        compute_metrics(model, accuracy_score, y_test, model.predict_sync(X_test), X_test)

Each returns what the call without ``_sync`` returns, and leaves the record that :func:`mistique_core.modeldb.autolog`
leaves of it. PySpark's calls are ``fitSync`` and so on, or ``fit_sync``; see :mod:`mistique_core.modeldb.spark`.
"""

from __future__ import annotations

import functools
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.entity_paths import path_of_model, save_path
from mistique_core.catalogue.entity_tags import save_tag
from mistique_core.catalogue.tables import experiment as experiments
from mistique_core.catalogue.tables import project as projects
from mistique_core.errors import InvalidInputError, MistiqueError, NotFoundError, did_you_mean
from mistique_core.model.event import Entity
from mistique_core.modeldb.client.call import TracedCall
from mistique_core.modeldb.client.estimator_patches import METHODS, call_method
from mistique_core.modeldb.client.event_buffer import EventSink
from mistique_core.modeldb.client.frame_patches import follow_columns
from mistique_core.modeldb.client.function_patches import call_function
from mistique_core.modeldb.client.mentioned import fragment_of, tag_item
from mistique_core.modeldb.client.metric_events import record_metric
from mistique_core.modeldb.client.open_recorder import open_recorder
from mistique_core.modeldb.client.replaced import Replaced
from mistique_core.modeldb.client.session import TracedRun, active_run, stop_active
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.modeldb.edit.annotations import Annotations
from mistique_core.modeldb.spark.saved_models import load
from mistique_core.modeldb.spark.sync_calls import add_spark_calls

if TYPE_CHECKING:
    import pandas as pd

    from mistique_core.store import Mistique


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Existing:
    """The name of a project or an experiment that must be there already.

    Attributes
    ----------
    name
        Its name.
    """

    name: str


class Syncer(TracedRun):
    """An ExperimentRun that records ``_sync`` calls; a context manager, which ends it.

    While it is active, every estimator has ``fit_sync``, ``transform_sync``, ``fit_transform_sync``,
    ``fit_predict_sync``, ``predict_sync``, ``predict_proba_sync`` and ``score_sync``, pipelines and searches included,
    and every DataFrame ``drop_sync``. PySpark's estimators have ``fitSync``, transformers and models ``transformSync``,
    evaluators ``evaluateSync(predictions, model)``, data frames ``randomSplitSync``, readers ``csvSync`` and the like,
    what can be saved ``saveSync``, and all of them ``tag``; each also by a name like ``fit_sync``. Only one run is
    active at a time.

    Parameters
    ----------
    project
        A name, which is made when it is new, or :class:`Existing`.
    model
        Name of what the script makes; default the script's name.
    store
        A store, its location, or ``None`` for the default one.
    experiment
        A name, or :class:`Existing`; groups runs of the project.
    description
        For people.
    count_rows
        Whether rows of Spark's data frames are counted, each time by a job of Spark.
    sink
        Takes the events instead of a store.

    Raises
    ------
    NotFoundError
        If a project or an experiment that should exist does not.
    InvalidInputError
        If a name cannot be used in keys.
    """

    def __init__(
        self,
        project: str | Existing = "default",
        model: str | None = None,
        *,
        store: Mistique | str | os.PathLike[str] | None = None,
        experiment: str | Existing | None = None,
        description: str | None = None,
        count_rows: bool = False,
        sink: EventSink | None = None,
    ) -> None:
        stop_active()
        close = None
        self._catalogue: Catalogue | None = None
        if sink is None:
            check = functools.partial(_check, project=project, experiment=experiment)
            sink, self._catalogue, close = open_recorder(
                _name(project),
                model,
                store,
                experiment=None if experiment is None else _name(experiment),
                description=description,
                check=check,
            )
        spark = functools.partial(add_spark_calls, count_rows=count_rows, tag=self.add_tag, on_saved=self._save_path_of)
        super().__init__(sink, (follow_columns, _add_calls, spark), close)

    def sync(self) -> None:
        """Write what was recorded so far; see :meth:`TracedRun.flush`."""
        self.flush()

    def add_tag(self, item: Any, tag: str) -> None:
        """Name a frame, an array, a fitted model, or what an estimator will be when it is fitted.

        Parameters
        ----------
        item
            The object.
        tag
            A name for people.

        Raises
        ------
        InvalidInputError
            If the object cannot be recognised later, such as a list.
        """
        tracker = self.tracker
        with tracker.buffer.between_writes(), tracker.buffer.lock:
            entity = tag_item(tracker, item, tag)
            if entity is not None and entity.id is not None and self._catalogue is not None:
                with self._catalogue.write() as connection:
                    save_tag(connection, entity)

    def annotate(self, *fragments: Any) -> None:
        """Write an annotation about the run: texts, and what they are about, in any order.

        What was recorded so far is written first, see :meth:`flush`. If the catalogue cannot be written, that is
        logged, and the annotation is lost.

        Parameters
        ----------
        *fragments
            Texts, data frames, fitted models, and estimators of Spark that were fitted.

        Raises
        ------
        InvalidInputError
            If there is nothing to write, or something is not recorded in this run.
        """
        if self._catalogue is None:
            log.warning("ModelDB: there is no catalogue to annotate in")
            return
        try:
            self.flush()
            parts = [item if isinstance(item, str) else fragment_of(self.tracker, item) for item in fragments]
            Annotations(self._catalogue).add(self.run.id, *parts)
        except InvalidInputError:
            raise
        except MistiqueError:
            log.exception("ModelDB: an annotation could not be written")

    def load(self, model: str | int) -> Any:
        """Load a model of Spark that was saved; see :func:`mistique_core.modeldb.spark.load`.

        Parameters
        ----------
        model
            Its path, or its id in ModelDB, of any run that saved it with ``saveSync``.

        Returns
        -------
        pyspark.ml.Model
            The model.

        Raises
        ------
        NotFoundError
            If it is not recorded where the model of that id was saved.
        """
        if isinstance(model, str):
            return load(model)
        path = None
        if self._catalogue is not None:
            with self._catalogue.read() as connection:
                path = path_of_model(connection, model)
        if path is None:
            raise NotFoundError(f"model {model}: it is not recorded where it was saved; save it with saveSync")
        return load(path)

    def _save_path_of(self, entity: Entity) -> None:
        if self._catalogue is not None:
            with self._catalogue.write() as connection:
                save_path(connection, entity)


def _name(given: str | Existing) -> str:
    return given.name if isinstance(given, Existing) else given


def _check(catalogue: Catalogue, project: str | Existing, experiment: str | Existing | None) -> None:
    """Look up what should exist."""
    with catalogue.read() as connection:
        if isinstance(project, Existing):
            names = list(connection.scalars(sa.select(projects.c.name)))
            if project.name not in names:
                raise NotFoundError(f"there is no project {project.name!r}; {did_you_mean(project.name, names)}")
        if isinstance(experiment, Existing):
            query = sa.select(experiments.c.name).join(projects).where(projects.c.name == _name(project))
            names = list(connection.scalars(query))
            if experiment.name not in names:
                known = did_you_mean(experiment.name, names)
                raise NotFoundError(f"project {_name(project)!r} has no experiment {experiment.name!r}; {known}")


def _add_calls(replaced: Replaced, tracker: Tracker) -> None:
    import pandas as pd

    replaced.attribute(pd.DataFrame, "drop_sync", drop_sync)
    try:
        from sklearn.base import BaseEstimator
    except ModuleNotFoundError:
        return
    for name in METHODS:
        replaced.attribute(BaseEstimator, f"{name}_sync", _sync_method(tracker, name))


def _sync_method(tracker: Tracker, name: str) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not tracker.is_listening:
            return getattr(self, name)(*args, **kwargs)

        def plain(estimator: Any, *given: Any, **named: Any) -> Any:
            return getattr(estimator, name)(*given, **named)

        return call_method(tracker, self, name, plain, args, kwargs)

    method.__name__ = f"{name}_sync"
    method.__doc__ = f"Call ``{name}`` and record it."
    return method


def _tracker() -> Tracker:
    run = active_run()
    if run is None:
        raise InvalidInputError("no run is being recorded; make a Syncer first: with Syncer('project'): ...")
    return run.tracker


def _call(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    tracker = _tracker()
    if not tracker.is_listening:
        return function(*args, **kwargs)
    return call_function(tracker, getattr(function, "__wrapped__", function), args, kwargs)


def train_test_split_sync(*arrays: Any, **options: Any) -> list[Any]:
    """Split as ``sklearn.model_selection.train_test_split`` does, and record it with the seed that was used."""
    from sklearn.model_selection import train_test_split

    result: list[Any] = _call(train_test_split, arrays, options)
    return result


def cross_val_score_sync(estimator: Any, X: Any, y: Any = None, **options: Any) -> Any:
    """Score as ``sklearn.model_selection.cross_val_score`` does, and record it with its folds."""
    from sklearn.model_selection import cross_val_score

    return _call(cross_val_score, (estimator, X, y), options)


def read_csv_sync(*args: Any, **options: Any) -> pd.DataFrame:
    """Read as ``pandas.read_csv`` does, and record it."""
    import pandas as pd

    frame: pd.DataFrame = _call(pd.read_csv, args, options)
    return frame


def annotate(*fragments: Any) -> None:
    """Write an annotation about the run of the active Syncer; see :meth:`Syncer.annotate`.

    Raises
    ------
    InvalidInputError
        If no Syncer is active, or there is nothing to write, or something is not recorded in its run.
    """
    run = active_run()
    if not isinstance(run, Syncer):
        raise InvalidInputError("no Syncer is active; make one first: with Syncer('project'): ...")
    run.annotate(*fragments)


def drop_sync(frame: pd.DataFrame, *args: Any, **options: Any) -> Any:
    """Drop columns or rows as ``DataFrame.drop`` does; what is left is known as columns of the frame."""
    _tracker()
    return frame.drop(*args, **options)


def compute_metrics(
    model: Any,
    function: Any,
    actual: Any,
    predicted: Any,
    X: Any,
    prediction_col: str = "",
    label_col: str = "",
) -> Any:
    """Return a metric of a model's predictions, and record it.

    Parameters
    ----------
    model
        What predicted.
    function
        Function of ``sklearn.metrics``, or one like it.
    actual, predicted
        Its first two arguments.
    X
        What was predicted on.
    prediction_col, label_col
        Names for data that has none.
    """
    tracker = _tracker()
    plain = getattr(function, "__wrapped__", function)
    if not tracker.is_listening:
        return plain(actual, predicted)
    names = {"label": label_col or "y_true", "prediction": prediction_col or "y_pred"}
    call = TracedCall(None, plain.__name__, plain, (actual, predicted), {}, before={"model": model, "X": X, **names})
    return tracker.make(call, record_metric)
