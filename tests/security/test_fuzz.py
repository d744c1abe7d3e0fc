"""A short run of the fuzzer, inputs that it found something with, and that it notices a crash, a hang and the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fuzzing.target import TargetFactory
from benchmarks.fuzzing.worker import fuzz
from mistique_core.errors import InvalidInputError, MistiqueError
from mistique_core.model import IntermediateKey
from mistique_core.modeldb.filter import parse_filter
from mistique_core.modeldb.light_api.text import LightFileError, read_text
from mistique_core.storage.object_address import ObjectOptions
from mistique_core.workflows.specification.load import workflow_of
from mistique_core.workflows.specification.problem import WorkflowSpecificationError
from tests.security.misbehaving import CRASH, ERROR, GROWN_BYTES, GROWTH, HANG, LIE, SEED, Misbehaving
from tests.security.mixed_target import KINDS, MixedTarget

INPUTS = 700

SAID_WHAT_IS_HIDDEN = (
    "/api/modeldb/versions/17/3/1/verdict",
    "/api/modeldb/versions/linear/version/2/workflow",
    "/api/modeldb/versions/homes/nowhere/1",
    "/api/modeldb/versions/3/homes/1/life",
    "/api/modeldb/experiments/2",
    "/api/modeldb/projects/2/experiments",
    "/api/query/3",
    "/api/query/3/figure",
    "/query/3/answer.json",
)
"""Of a project, a model, an experiment and a DAG that the user may not read: in hints at what else there is, mostly."""


def test_a_short_run() -> None:
    """Other inputs than those of the long run, whose figures docs/security.md has."""
    tally = fuzz(TargetFactory(MixedTarget), 20_261_126, 0, INPUTS)
    assert tally.failures == []
    assert tally.inputs == sum(tally.outcomes.values()) == INPUTS
    for name in KINDS:  # some are accepted, and some are refused
        assert len([outcome for outcome in tally.outcomes if outcome.startswith(f"{name}:")]) >= 2


def test_hostile_requests() -> None:
    """As above; every status is seen, so that the requests reach what they are for."""
    from benchmarks.fuzzing.request_target import RequestTarget
    from benchmarks.fuzzing.target import random_of

    target = RequestTarget()
    try:
        for path in SAID_WHAT_IS_HIDDEN:
            assert target.run(("GET", path, "", b"", {})) == "status 4xx"
        found = {target.run(target.make(random_of(20_261_126, number))) for number in range(250)}
    finally:
        target.close()
    assert found >= {"status 2xx", "status 4xx"}


def test_what_none_may_do_is_noticed() -> None:
    """With the number of the input that did it; those behind it are tried all the same."""
    tally = fuzz(TargetFactory(Misbehaving, most_bytes=GROWN_BYTES // 2, most_seconds=1.0), SEED, 0, 130)
    found = {failure.number: (failure.kind, failure.detail) for failure in tally.failures}
    assert sorted(found) == [CRASH, HANG, ERROR, LIE, GROWTH]
    assert found[CRASH] == ("crash", "the process ended with -6")
    assert found[HANG] == ("hang", "longer than 1.0 seconds")
    assert found[ERROR][0] == "error"
    assert found[ERROR][1].startswith("ZeroDivisionError: no refusal (misbehaving.py:")
    assert found[LIE] == ("wrong value", "one in place of two")
    assert found[GROWTH][0] == "memory"
    assert tally.inputs == 130


@pytest.mark.parametrize("endpoint", ["https:/key:secret@host:9000", "https:9000/key:secret@host:/", "http://[secret"])
def test_endpoints_of_which_a_secret_was_repeated(endpoint: str) -> None:
    """Where an address is malformed, the place of its password is not where it should be."""
    with pytest.raises(InvalidInputError) as caught:
        ObjectOptions(endpoint=endpoint).resolved_endpoint()
    assert "secret" not in str(caught.value)


def test_texts_that_no_file_holds() -> None:
    """A lone surrogate made PyYAML raise an error of its own."""
    with pytest.raises(WorkflowSpecificationError, match="no character of a text"):
        workflow_of("project: \ud800", Path("x.yaml"))
    with pytest.raises(LightFileError, match="no character of a text"):
        read_text("MODEL: {NAME: \ud800}", "x.yaml")


@pytest.mark.parametrize(
    "text",
    [
        f"params.depth in (1, {'9' * 400}, 3)",
        "metrics.auc > -1e999",
        f"ended >= now - {'9' * 400}s",
        "ended >= now - 1e300d",
        f"limit {'9' * 400}",
    ],
)
def test_numbers_of_filters_that_became_infinite(text: str) -> None:
    """They were written as ``inf``, which is none of the language."""
    with pytest.raises(InvalidInputError, match="filter, character"):
        parse_filter(text)


@pytest.mark.parametrize("text", ["p.m@" + "9" * 5_000 + ".x", "p.m@².x", "p.m@0.x", f"p.m@{2**70}.x"])
def test_versions_that_python_read_with_an_error_of_its_own(text: str) -> None:
    with pytest.raises(MistiqueError, match="version"):
        IntermediateKey.parse(text)
