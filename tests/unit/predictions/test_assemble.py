"""From logged frames to a matrix: found by their columns, aligned by row id, checked against pandas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from sklearn import metrics as sk

from mistique_core import Mistique
from mistique_core.catalogue.tables import project
from mistique_core.errors import InvalidInputError
from mistique_core.predictions import (
    Assembled,
    Assembler,
    ByteCache,
    PredictionSet,
    comparable,
    find_predictions,
    summarise,
)
from mistique_core.workflows import FunctionStage

ROWS = 600
RNG = np.random.default_rng(8)
IDS = RNG.permutation(ROWS) + 100
LEFT = pd.Series(RNG.random(ROWS) < 0.3, index=pd.Index(IDS, name="row_id")).map({True: "yes", False: "no"})


def predicted(seed: int, ids: np.ndarray = IDS) -> pd.DataFrame:
    """Return a frame as Predict with ``keep: [left]`` makes it."""
    yes = np.clip((LEFT[ids] == "yes") * 0.4 + np.random.default_rng(seed).random(len(ids)) * 0.6, 0, 1).to_numpy()
    frame = pd.DataFrame({"prediction": np.where(yes > 0.5, "yes", "no")}, index=pd.Index(ids, name="row_id"))
    return frame.assign(probability_no=1 - yes, probability_yes=yes, left=LEFT[ids])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Mistique]:
    with Mistique.open(tmp_path / "store") as opened:
        yield opened


def log(store: Mistique, frames: dict[str, pd.DataFrame], name: str = "predictions") -> None:
    for model, frame in frames.items():
        with store.run("hr", model) as run:
            run.log_frame(name, frame)


def found_in(store: Mistique) -> tuple[PredictionSet, ...]:
    with store.catalogue.read() as connection:
        [project_id] = connection.scalars(sa.select(project.c.id))
    return find_predictions(store.catalogue, project_id)


def assembled(store: Mistique, label: str = "left", positive: str | None = None) -> Assembled:
    return Assembler(store, ByteCache(10**8)).assemble(found_in(store), label, positive)


def test_models_are_in_the_order_of_the_numbers_in_their_names(store: Mistique) -> None:
    log(store, {name: predicted(1) for name in ("p10_v1", "p2_v10", "p2_v9", "7", "p1", "a")})
    assert [item.model for item in found_in(store)] == ["7", "a", "p1", "p2_v9", "p2_v10", "p10_v1"]
    assert assembled(store).matrix.names == ("7", "a", "p1", "p2_v9", "p2_v10", "p10_v1")


def test_what_a_mapped_task_made_is_in_the_order_of_its_map_indices(store: Mistique) -> None:
    """Whichever of them ended last; what came after it stays after it."""
    with store.run("hr", "net") as run:
        for index in (2, 0, 1):
            stage = FunctionStage(predicted, {"seed": index})
            run.stage(f"said_{index}", stage, {}, map_index=index, task_id="said")
        run.log_frame("later", predicted(9))
    assert [item.intermediate for item in found_in(store)] == ["said_0", "said_1", "said_2", "later"]
    with store.run("hr", "net") as run:
        for index in (1, 0):
            run.stage(f"said_{index}", FunctionStage(predicted, {"seed": index}), {}, map_index=index, task_id="said")
    assert [item.intermediate for item in comparable(found_in(store))[0]] == ["said_1"]


def test_the_newest_version_of_each_model_is_found(store: Mistique) -> None:
    log(store, {"a": predicted(1), "b": predicted(2)})
    log(store, {"a": predicted(3)})
    log(store, {"c": predicted(4)[["left"]]})
    first, second = found_in(store)
    assert (first.name, second.name) == ("a@2.predictions", "b@1.predictions")
    assert first.prediction == "prediction"
    assert first.probabilities == ("probability_no", "probability_yes")
    assert first.labels == ("left",)


def test_rows_are_aligned_by_row_id_and_only_shared_ones_remain(store: Mistique) -> None:
    other = RNG.permutation(IDS[50:])
    frames = {"a": predicted(1), "b": predicted(2, other)}
    log(store, frames)
    found = assembled(store)
    matrix = found.matrix
    assert matrix.row_ids.tolist() == sorted(other)
    assert found.rows_left_out == 50
    assert (matrix.truth.is_positive == (LEFT[matrix.row_ids] == "yes")).all()
    for at, frame in enumerate(frames.values()):
        true = np.where(
            LEFT[matrix.row_ids] == "yes", *(frame.loc[matrix.row_ids, f"probability_{name}"] for name in ("yes", "no"))
        )
        np.testing.assert_allclose(matrix.columns[at].levels / 200, true, atol=0.00501)
        decided = frame.loc[matrix.row_ids, "prediction"] == "yes"
        assert (matrix.decisions(at) == decided).all()
        assert (matrix.decisions(at, 0.7) == (frame.loc[matrix.row_ids, "probability_yes"] >= 0.7)).all()


@pytest.mark.parametrize("positive", ["yes", "no"])
@pytest.mark.parametrize("threshold", [None, 0.35])
def test_summaries_are_those_of_scikit_learn(store: Mistique, positive: str, threshold: float | None) -> None:
    frame = predicted(1)
    log(store, {"a": frame})
    found = assembled(store, positive=positive)
    cache = ByteCache(10**7)
    some = np.arange(0, ROWS, 3)
    for positions in (None, some):
        [summary] = summarise(Assembler(store, cache), cache, found, threshold=threshold, positions=positions)
        part = frame.sort_index() if positions is None else frame.sort_index().iloc[positions]
        truth, scores = part["left"] == positive, part[f"probability_{positive}"]
        decided = part["prediction"] == positive if threshold is None else scores >= threshold
        assert summary.metrics["roc_auc"] == pytest.approx(sk.roc_auc_score(truth, scores))
        assert summary.metrics["f1"] == pytest.approx(sk.f1_score(truth, decided))
        assert summary.metrics["brier"] == pytest.approx(sk.brier_score_loss(truth, scores))
        classes = ["no", "yes"]
        named = np.where(decided, positive, "no" if positive == "yes" else "yes")
        assert (summary.confusion == sk.confusion_matrix(part["left"], named, labels=classes)).all()


def test_what_does_not_fit_is_left_out_with_the_reason(store: Mistique) -> None:
    turned = predicted(2).assign(left=LEFT[IDS[::-1]].to_numpy())
    strange = predicted(3).assign(prediction="perhaps")
    missing = predicted(4).assign(probability_yes=np.nan)
    log(
        store,
        {
            "a": predicted(1),
            "b": turned,
            "c": strange,
            "d": missing,
            "e": predicted(5).rename(columns={"left": "gone"}),
        },
    )
    found = assembled(store)
    assert found.matrix.names == ("a",)
    reasons = {name.partition("@")[0]: reason for name, reason in found.left_out.items()}
    assert reasons["b"].startswith("its column 'left' says other truths")
    assert reasons["c"].startswith("it predicts a class that neither")
    assert reasons["d"].startswith("some of its probabilities are missing")
    assert reasons["e"] == "it has no column 'left'"


def test_no_shared_row_and_no_such_class_are_refused(store: Mistique) -> None:
    log(store, {"a": predicted(1, IDS[:300]), "b": predicted(2, IDS[300:])})
    with pytest.raises(InvalidInputError, match="share no row"):
        assembled(store)
    with pytest.raises(InvalidInputError, match="there is no class 'maybe'"):
        Assembler(store, ByteCache(10**7)).assemble(found_in(store)[:1], "left", "maybe")


def test_rows_without_a_label_are_left_out(store: Mistique) -> None:
    frame = predicted(1)
    frame.loc[IDS[:9], "left"] = None
    log(store, {"a": frame, "b": frame.assign(probability_no=0.25, probability_yes=0.75)})
    found = assembled(store)
    assert found.matrix.rows == ROWS - 9
    assert found.matrix.names == ("a", "b")
    assert set(found.matrix.row_ids) == set(IDS[9:])


def test_several_classes_and_decisions_without_probabilities(store: Mistique) -> None:
    truth = RNG.integers(0, 3, ROWS)
    shares = RNG.dirichlet(np.ones(3), ROWS)
    index = pd.Index(IDS, name="row_id")
    frame = pd.DataFrame({f"probability_{at}": shares[:, at] for at in range(3)}, index=index).assign(species=truth)
    log(store, {"a": frame, "b": pd.DataFrame({"prediction": truth, "species": truth}, index=index)})
    found = assembled(store, "species")
    matrix = found.matrix
    place = np.argsort(IDS)
    assert matrix.problem.classes == ("0", "1", "2")
    np.testing.assert_allclose(matrix.columns[0].levels / 200, shares[np.arange(ROWS), truth][place], atol=0.00501)
    assert (matrix.columns[0].decisions == shares.argmax(axis=1)[place]).all()
    assert (matrix.columns[1].levels == 200).all()
    cache = ByteCache(10**7)
    first, second = summarise(Assembler(store, cache), cache, found)
    assert first.metrics["roc_auc"] == pytest.approx(sk.roc_auc_score(truth, shares, multi_class="ovr"))
    assert second.metrics == pytest.approx({"accuracy": 1, "precision": 1, "recall": 1, "f1": 1})


def test_amounts(store: Mistique) -> None:
    truth = RNG.normal(100, 20, ROWS)
    frames = {
        model: pd.DataFrame(
            {"prediction": truth + RNG.normal(0, 5, ROWS), "price": truth}, index=pd.Index(IDS, name="row_id")
        )
        for model in ("a", "b")
    }
    log(store, frames)
    found = assembled(store, "price")
    assert found.matrix.problem.kind == "regression"
    assert found.matrix.problem.scale == pytest.approx(truth.std())
    cache = ByteCache(10**7)
    for summary, frame in zip(summarise(Assembler(store, cache), cache, found), frames.values(), strict=True):
        assert summary.metrics["rmse"] == pytest.approx(sk.root_mean_squared_error(truth, frame["prediction"]))


def test_equal_contents_are_read_once_and_kept_within_the_bound(store: Mistique) -> None:
    log(store, {"a": predicted(1), "b": predicted(1), "c": predicted(2)})
    cache = ByteCache(10**6)
    assembler = Assembler(store, cache)
    first = assembler.assemble(found_in(store), "left")
    again = assembler.assemble(found_in(store)[::-1], "left")
    assert first.matrix.columns[0] is first.matrix.columns[1]
    assert again.matrix.columns[2] is first.matrix.columns[0]
    assert first.matrix.columns[2] is not first.matrix.columns[0]
    assert 0 < cache.nbytes <= 10**6
    small = ByteCache(700)
    Assembler(store, small).assemble(found_in(store), "left")
    assert small.nbytes <= 700


def test_equal_models_of_two_projects_stay_apart(store: Mistique) -> None:
    """What is remembered of one project's matrix is not shown as the other's, whose DAGs others may read."""
    for name in ("hr", "copy"):
        with store.run(name, "model") as run:
            run.log_frame("predictions", predicted(1))
    with store.catalogue.read() as connection:
        ids = connection.scalars(sa.select(project.c.id).order_by(project.c.name)).all()
    cache = ByteCache(10**6)
    found = [Assembler(store, cache).assemble(find_predictions(store.catalogue, item), "left") for item in ids]
    assert [[item.project for item in one.sets] for one in found] == [["copy"], ["hr"]]
    assert found[0].matrix.columns[0] is found[1].matrix.columns[0]
