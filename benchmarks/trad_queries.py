"""Eight diagnostic techniques on three pipelines: reading against re-running (thesis Fig. 5-7a).

Run ``python -m benchmarks.trad_queries [--quick] [--json PATH] [--rows N] [--repetitions N] [--plot PATH]``.
P1, P5 and P9 of the Zillow workload run into a store. Every query is answered by reading; by re-running as the
thesis does (the whole pipeline from its files, with the stored transformers and models, nothing learned again); by a
re-run as this store plans it (from the nearest stored ancestors; for named rows, of these rows only); and from the
fastest of two peers that hold the same frames.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lance
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import Budget, Report, arguments, finish
from benchmarks.pictures import add_plot_option, picture
from benchmarks.trad_workload import Pipeline, competition_files, pipelines
from mistique_core import Mistique, diagnostics
from mistique_core.workflows.specification import load_workflow
from mistique_core.workflows.specification.build import build_stage

ROOT = Path(__file__).resolve().parents[1]
SHOWN = ("p1", "p5", "p9")
BUDGETS = (
    Budget("pointq", "POINTQ: re-running the pipeline / reading, >= 390 (thesis's best)", at_least=390),
    Budget("topk", "TOPK: re-running the pipeline / reading, >= 390", at_least=390),
)
THESIS = "reading 2.5x to 390x faster than re-running; re-run of P5 about 40 s at 2,985,217 homes"
Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Query:
    """One technique of Table 5.1 on one pipeline.

    Attributes
    ----------
    technique
        Its name.
    intermediates
        What it reads, by name.
    columns
        The columns that it needs; ``None`` for all.
    rows
        Row ids that it needs; ``None`` for all.
    compute
        What it does with the frames.
    """

    technique: str
    intermediates: tuple[str, ...]
    columns: tuple[str, ...] | None
    rows: tuple[int, ...] | None
    compute: Callable[[list[pd.DataFrame]], Any]


def queries(row_ids: Sequence[int], features: Sequence[str], groups: str) -> list[Query]:
    """Return the eight queries; `features` are numeric columns of the test features, `groups` one of few values."""
    few = tuple(row_ids[:2])
    last, data = "predictions_test", "features_test"
    some = tuple(features[:6])
    return [
        Query("POINTQ", (last,), ("prediction",), (row_ids[0],), lambda frames: frames[0]),
        Query("TOPK", (last,), ("prediction",), None, lambda frames: frames[0]["prediction"].nlargest(10)),
        Query("COL_DIST", (last,), ("prediction",), None, lambda frames: np.histogram(frames[0]["prediction"], 50)),
        Query("COL_DIFF", (last, data), ("prediction", features[0]), None, _difference),
        Query("KNN", (data,), None, None, lambda frames: _nearest(frames[0], few[0])),
        Query("ROW_DIFF", (data,), None, few, lambda frames: frames[0].iloc[0] - frames[0].iloc[1]),
        Query("SVCCA", (data,), (*some, *features[6:12]), None, lambda frames: _svcca(frames[0], some)),
        Query("VIS", (data,), (*some, groups), None, lambda frames: frames[0].groupby(groups)[list(some)].mean()),
    ]


def _difference(frames: list[pd.DataFrame]) -> Any:
    joined = pd.concat(frames, axis=1)
    return np.nanmean(np.abs(joined.iloc[:, 0] - joined.iloc[:, 1]))


def _nearest(frame: pd.DataFrame, row: int) -> Values:
    values = np.nan_to_num(frame.to_numpy(dtype=np.float64))
    spread = values.std(axis=0)
    values = values / np.where(spread > 0, spread, 1.0)
    distances = ((values - values[frame.index.get_loc(row)]) ** 2).sum(axis=1)
    return np.argpartition(distances, 11)[:11]


def _svcca(frame: pd.DataFrame, some: Sequence[str]) -> float:
    """Return the mean canonical correlation of two groups of columns (thesis Algorithm 1)."""
    parts = []
    for names in (list(some), [name for name in frame.columns if name not in some]):
        values = np.nan_to_num(frame[names].to_numpy(dtype=np.float64))
        values = values - values.mean(axis=0)
        left, singular, _ = np.linalg.svd(values, full_matrices=False)
        parts.append(left[:, singular > singular.max() * 1e-6])
    return float(np.linalg.svd(parts[0].T @ parts[1], compute_uv=False).mean())


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=300_000, quick_rows=20_000, extra=_own_options)
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="trad-queries-") as name:
        folder = Path(name)
        with competition_files(folder / "csv", options.rows), Mistique.open(folder / "store", cache_bytes=0) as store:
            report = Report(
                "trad_queries", {"rows": options.rows, "repetitions": options.repetitions, "thesis": THESIS}
            )
            chosen = [pipelines((template,))[2] for template in SHOWN]
            for pipeline in chosen:
                pipeline.run(store)
            for pipeline in chosen:
                measure(report, store, pipeline, folder / pipeline.model, options.repetitions)
    techniques = dict.fromkeys(row["technique"] for row in report.rows)
    for technique in techniques:
        rows = [row for row in report.rows if row["technique"] == technique]
        report.ratios[technique.lower()] = max(row["pipeline"] / row["read"] for row in rows)
    if options.plot is not None:
        plot(report, options.plot)
    finish(report, BUDGETS, options.json)


def _own_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repetitions", type=int, default=5, metavar="N", help="times to ask each (default 5)")
    add_plot_option(parser)


def measure(report: Report, store: Mistique, pipeline: Pipeline, folder: Path, repetitions: int) -> None:
    """Ask all queries of one pipeline in every way."""
    key = f"zillow.{pipeline.model}"
    frames = {
        name: store.get_intermediates(f"{key}.{name}", strategy="read").to_pandas()
        for name in ("predictions_test", "features_test")
    }
    ids = frames["features_test"].index[:: max(1, len(frames["features_test"]) // 50)].tolist()
    numeric = frames["features_test"].nunique().sort_values(ascending=False).index
    groups = "propertylandusetypeid"
    features = [name for name in numeric if name != groups]
    folder.mkdir()
    for name, frame in frames.items():
        table = pa.Table.from_pandas(frame.reset_index(), preserve_index=False)
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
        lance.write_dataset(table, str(folder / f"{name}.lance"))
    whole = whole_pipeline_seconds(store, pipeline)
    for query in queries(ids, features, groups):
        answers = {
            "read": lambda query=query: _ask(store, key, query, "read"),
            "rerun": lambda query=query: _ask(store, key, query, "rerun"),
            "parquet": lambda query=query: _ask_parquet(folder, query),
            "lance": lambda query=query: _ask_lance(folder, query),
        }
        results = {name: action() for name, action in answers.items()}
        for name, result in results.items():
            _assert_equal(result, results["read"], f"{query.technique} by {name}")
        seconds = {name: _median(action, 3 if name == "rerun" else repetitions) for name, action in answers.items()}
        compute = _median(lambda query=query: query.compute(_inputs(frames, query)), repetitions)
        report.add(
            f"{pipeline.template} {query.technique}",
            technique=query.technique,
            read=seconds["read"],
            rerun=seconds["rerun"],
            pipeline=whole + compute,
            parquet=seconds["parquet"],
            lance=seconds["lance"],
            pipeline_over_read=(whole + compute) / seconds["read"],
            rerun_over_read=seconds["rerun"] / seconds["read"],
            best_peer_over_read=min(seconds["parquet"], seconds["lance"]) / seconds["read"],
        )
    point = statistics.median(
        _seconds(lambda: diagnostics.pointq(store, f"{key}.predictions_test.prediction", ids[3]))
        for _ in range(repetitions)
    )
    report.add(f"{pipeline.template} diagnostics.pointq", technique="pointq()", read=point, pipeline=whole)


def whole_pipeline_seconds(store: Mistique, pipeline: Pipeline) -> float:
    """Return the seconds of re-running all stages from the files with what they have learned (median of three)."""
    import sqlalchemy as sa

    from mistique_core.catalogue.stages import fitted_of_stage
    from mistique_core.catalogue.tables import model, model_version, stage

    learned: dict[str, dict[str, Any]] = {}
    with store.catalogue.read() as connection:
        query = (
            sa.select(stage.c.id, stage.c.name)
            .join(model_version, model_version.c.id == stage.c.model_version_id)
            .join(model, model.c.id == model_version.c.model_id)
            .where(model.c.name == pipeline.model)
        )
        for row in connection.execute(query).all():
            records = fitted_of_stage(connection, row.id)
            learned[row.name] = {item.ref.name: store.frame_reader.fitted(connection, item) for item in records}
    specs = load_workflow(pipeline.path).variation(pipeline.variation).resolved().stages

    def run() -> None:
        made: dict[tuple[str, str], Any] = {}
        for spec in specs:
            built, names = build_stage(spec)
            inputs = {names[name]: made[item.stage, item.output or ""] for name, item in spec.inputs.items()}
            if built.learns and not built.row_wise and learned[spec.name] and "model" in learned[spec.name]:
                made[spec.name, ""] = learned[spec.name]["model"]
                continue
            result = built.execute(inputs, learned[spec.name] or None)
            made.update({(spec.name, name): value for name, value in result.frames.items()})

    return _median(run, 3)


def _ask(store: Mistique, key: str, query: Query, strategy: Any) -> Any:
    frames = []
    for name in query.intermediates:
        wanted = _wanted(query, name)
        keys = f"{key}.{name}" if wanted is None else [f"{key}.{name}.{column}" for column in wanted]
        rows = None if query.rows is None else list(query.rows)
        frames.append(store.get_intermediates(keys, row_id=rows, strategy=strategy).to_pandas())
    return query.compute(frames)


def _wanted(query: Query, name: str) -> list[str] | None:
    if query.columns is None:
        return None
    own = name == "predictions_test"
    return [column for column in query.columns if (column == "prediction") == own]


def _ask_parquet(folder: Path, query: Query) -> Any:
    frames = []
    for name in query.intermediates:
        wanted = _wanted(query, name)
        columns = None if wanted is None else ["row_id", *wanted]
        filters = None if query.rows is None else [("row_id", "in", list(query.rows))]
        table = pq.read_table(folder / f"{name}.parquet", columns=columns, filters=filters)
        frames.append(_ordered(table.to_pandas().set_index("row_id"), query))
    return query.compute(frames)


def _ask_lance(folder: Path, query: Query) -> Any:
    frames = []
    for name in query.intermediates:
        wanted = _wanted(query, name)
        columns = None if wanted is None else ["row_id", *wanted]
        data = lance.dataset(str(folder / f"{name}.lance"))
        chosen = None if query.rows is None else f"row_id IN ({', '.join(map(str, query.rows))})"
        frames.append(_ordered(data.to_table(columns=columns, filter=chosen).to_pandas().set_index("row_id"), query))
    return query.compute(frames)


def _ordered(frame: pd.DataFrame, query: Query) -> pd.DataFrame:
    return frame if query.rows is None else frame.loc[list(query.rows)]


def _inputs(frames: dict[str, pd.DataFrame], query: Query) -> list[pd.DataFrame]:
    found = []
    for name in query.intermediates:
        wanted = _wanted(query, name)
        frame = frames[name] if wanted is None else frames[name][wanted]
        found.append(_ordered(frame, query))
    return found


def _assert_equal(result: Any, expected: Any, what: str) -> None:
    values, wanted = (np.concatenate([np.ravel(part) for part in _parts(item)]) for item in (result, expected))
    np.testing.assert_allclose(values, wanted, rtol=1e-9, err_msg=what)


def _parts(item: Any) -> list[Values]:
    parts = item if isinstance(item, tuple) else (item,)
    return [np.sort(np.asarray(part, dtype=np.float64), axis=None) for part in parts]


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _median(action: Callable[[], object], repetitions: int) -> float:
    return statistics.median(_seconds(action) for _ in range(repetitions))


def plot(report: Report, path: Path) -> None:
    """Draw the seconds of each technique and way, log scale, as in Fig. 5-7a."""
    rows = [row for row in report.rows if "rerun" in row]
    with picture(path, 11, 4.5) as axes:
        ways = {"read": "read", "rerun": "re-run, planned", "pipeline": "re-run of the pipeline", "parquet": "Parquet"}
        width = 0.8 / len(ways)
        for number, (field, label) in enumerate(ways.items()):
            axes.bar(
                [place + number * width for place in range(len(rows))], [row[field] for row in rows], width, label=label
            )
        axes.set_xticks(range(len(rows)), [row["what"] for row in rows], rotation=60, ha="right", fontsize=7)
        axes.set(yscale="log", ylabel="seconds", title="Queries on P1, P5 and P9")
        axes.legend(fontsize=8)


if __name__ == "__main__":
    main()
