"""Which Java and which PySpark are refused, with what the message says."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mistique_core.cli.doctor import spark_findings
from mistique_core.errors import InvalidInputError
from mistique_core.spark.environment import require_spark


def java(home: Path, answer: str) -> Path:
    """Make a program that answers as a Java does, on the standard error."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{answer}' >&2\n")
    program.chmod(0o755)
    return home


@pytest.fixture(autouse=True)
def pyspark(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    module = SimpleNamespace(__version__="4.3.0", __spec__=object())
    monkeypatch.setitem(sys.modules, "pyspark", module)
    return module


@pytest.mark.parametrize("version", ["17.0.15", "21", "25-ea"])
def test_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path, f'openjdk version "{version}" 2025-04-15')))
    assert require_spark("the test").__version__ == "4.3.0"
    assert [(finding.state, finding.remedy) for finding in spark_findings()] == [("ok", "")]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ('java version "1.8.0_402"', "is version 8"),
        ('openjdk version "11.0.2" 2019-01-15', "is version 11"),
        ("no such thing", "does not say its version"),
    ],
)
def test_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, found: str) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path, answer)))
    with pytest.raises(InvalidInputError, match=f"the test needs Java 17 or newer, and .*/bin/java {found}; install"):
        require_spark("the test")
    (finding,) = spark_findings()
    assert finding.state == "note"
    assert found in finding.what
    assert finding.remedy.startswith("install Java 17")


def test_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(InvalidInputError, match=r"JAVA_HOME=.* has no bin/java; install Java 17"):
        require_spark("the test")
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InvalidInputError, match="no java is on the path; install Java 17"):
        require_spark("the test")


def test_pyspark_is_old_or_missing(monkeypatch: pytest.MonkeyPatch, pyspark: SimpleNamespace) -> None:
    pyspark.__version__ = "3.5.1"
    with pytest.raises(InvalidInputError, match=r"PySpark 4\.0 or newer, and 3\.5\.1 is installed; upgrade"):
        require_spark("the test")
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(InvalidInputError, match=r"mistique-airflow\[spark\]"):
        require_spark("the test")
