"""What the adaptive benchmark asks: techniques of Table 5.1 on a Zillow pipeline, and on the layers of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.dnn_workload import PROJECT as DNN_PROJECT
from benchmarks.dnn_workload import images, needed_files, network
from benchmarks.trad_queries import queries
from benchmarks.trad_workload import Pipeline, pipelines
from mistique_core import Mistique
from mistique_core.workflows.cifar import build_cnn, prepare, read_images

TRAD_PROJECT = "zillow"
ASKED_TEMPLATE, ASKED_VARIATION = "p5", "v3"
Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Asked:
    """One query of the pool.

    Attributes
    ----------
    technique
        Its name.
    keys
        Keys that are fetched together, one list an intermediate.
    rows
        Row ids; ``None`` for all.
    compute
        What is done with the values of each list.
    """

    technique: str
    keys: tuple[tuple[str, ...], ...]
    rows: tuple[int, ...] | None
    compute: Callable[[list[Any]], Any]

    def answer(self, store: Mistique) -> tuple[Any, list[Any]]:
        """Return the answer, and the plan of each intermediate."""
        rows = None if self.rows is None else list(self.rows)
        results = [store.get_intermediates(list(keys), row_id=rows) for keys in self.keys]
        return self.compute(results), [result.plan.targets[0] for result in results]

    def plans(self, store: Mistique) -> list[Any]:
        """Return the plan of each intermediate, as it is foreseen."""
        rows = None if self.rows is None else list(self.rows)
        return [store.explain(list(keys), row_id=rows).targets[0] for keys in self.keys]


class Workload(Protocol):
    """Something that is logged and then asked about."""

    name: str

    def fill(self, store: Mistique, scheme: str | None = None) -> None:
        """Log everything."""

    def pool(self, store: Mistique) -> list[Asked]:
        """Return the queries to draw from."""

    def project(self) -> str:
        """Return its project."""


class TradWorkload:
    """Pipelines of the Zillow workload; the queries are about one of them.

    Parameters
    ----------
    templates, variations
        Which pipelines.
    """

    name = "TRAD"

    def __init__(self, templates: Sequence[str], variations: int) -> None:
        found = pipelines(templates, variations)
        wanted = {(ASKED_TEMPLATE, ASKED_VARIATION), *((item.template, item.variation) for item in found)}
        self.pipelines = [Pipeline(*item) for item in sorted(wanted)]

    def project(self) -> str:
        """Return the project."""
        return TRAD_PROJECT

    def fill(self, store: Mistique, scheme: str | None = None) -> None:
        """Run all pipelines."""
        for pipeline in self.pipelines:
            pipeline.run(store)

    def pool(self, store: Mistique) -> list[Asked]:
        """Return the eight techniques on the one pipeline."""
        key = f"{TRAD_PROJECT}.{Pipeline(ASKED_TEMPLATE, ASKED_VARIATION).model}"
        data = store.get_intermediates(f"{key}.features_test", strategy="read").to_pandas()
        groups = "propertylandusetypeid"
        features = [name for name in data.nunique().sort_values(ascending=False).index if name != groups]
        found = []
        for query in queries(data.index[:: max(1, len(data) // 50)].tolist(), features, groups):
            lists = []
            for name in query.intermediates:
                own = (
                    None
                    if query.columns is None
                    else [column for column in query.columns if (column == "prediction") == name.startswith("pred")]
                )
                lists.append((f"{key}.{name}",) if own is None else tuple(f"{key}.{name}.{column}" for column in own))
            compute = query.compute
            found.append(
                Asked(
                    query.technique,
                    tuple(lists),
                    query.rows,
                    lambda results, compute=compute: compute([result.to_pandas() for result in results]),
                )
            )
        return found


class DnnWorkload:
    """Layers of one network.

    Parameters
    ----------
    rows
        Images.
    trained
        Whether it is the trained VGG16, whose files must be there, or a small one with new weights.
    """

    name = "DNN"

    def __init__(self, rows: int, *, trained: bool) -> None:
        self._layers: list[str] | None
        if trained:
            folder = needed_files()
            self._network, self._inputs = network(folder), images(folder, rows)
            self._wide, self._deep, self._last = "block3_conv1", "block5_conv3", "logits"
            self._layers = None
        else:
            self._network, self._inputs = build_cnn(), prepare(read_images(rows).images)
            self._wide, self._deep, self._last = "block1_conv2", "block2_conv2", "logits"
            self._layers = [self._wide, self._deep, "dense", self._last]
        self._classes = np.arange(len(self._inputs)) % 10
        self._rows = rows

    def project(self) -> str:
        """Return the project."""
        return DNN_PROJECT

    def fill(self, store: Mistique, scheme: str | None = None) -> None:
        """Capture all layers of the trained network, some of the small one."""
        store.log_intermediates(
            self._network,
            lambda: self._inputs,
            project=DNN_PROJECT,
            model="network",
            scheme=scheme,
            layers=self._layers,
            batch_rows=min(self._rows, 250),
            progress=False,
        )

    def pool(self, store: Mistique) -> list[Asked]:
        """Return techniques on an early, a late and the last layer."""
        wide, deep, last = (f"{DNN_PROJECT}.network.{name}" for name in (self._wide, self._deep, self._last))
        groups = self._classes
        return [
            Asked("POINTQ", ((f"{deep}.5",),), (7,), lambda results: results[0].values),
            Asked("TOPK", ((f"{deep}.5",),), None, lambda results: np.argsort(_peaks(results[0]))[-10:]),
            Asked("COL_DIST", ((f"{wide}.3",),), None, lambda results: np.histogram(results[0].values, 50)),
            Asked("COL_DIFF", ((f"{last}.1", f"{last}.2"),), None, _difference),
            Asked("KNN", ((last,),), None, lambda results: _nearest(results[0].values, 3)),
            Asked("ROW_DIFF", ((last,),), (2, 5), lambda results: np.diff(results[0].values, axis=0)),
            Asked("VIS", ((deep,),), None, lambda results: _means(results[0].values, groups)),
            Asked("SVCCA", ((last,), (f"{deep}.5",)), None, lambda results: _correlation(*map(_peaks, results))),
        ]


def _peaks(result: Any) -> Values:
    values = np.asarray(result.values, dtype=np.float32)
    return values.reshape(len(values), -1).max(axis=1)


def _difference(results: list[Any]) -> Any:
    values = np.asarray(results[0].values, dtype=np.float32)
    return np.abs(values[:, 0] - values[:, 1]).mean()


def _nearest(values: Values, row: int) -> Values:
    return np.argpartition(((values - values[row]) ** 2).sum(axis=1), 10)[:10]


def _means(values: Values, groups: Values) -> Values:
    flat = np.asarray(values, dtype=np.float32).reshape(len(values), -1)
    return np.stack([flat[groups == group].mean(axis=0) for group in np.unique(groups)])


def _correlation(left: Values, right: Values) -> float:
    return float(np.corrcoef(left, right)[0, 1])


def strategies(plans: Sequence[Any]) -> Mapping[str, Any]:
    """Return how a query was, or will be, answered: read only if all of it is."""
    return {
        "strategy": "read" if all(plan.strategy == "read" for plan in plans) else "rerun",
        "kept": any("it is kept from now on" in plan.reason for plan in plans),
        "due": any(plan.kept_after == 1 for plan in plans),
        "kept_after": max((plan.kept_after for plan in plans if plan.kept_after is not None), default=None),
    }
