"""``mistique doctor``: whether the store can be worked with from this host."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mistique_core.cli.context import say
from mistique_core.config import StoreConfig
from mistique_core.errors import MistiqueError

if TYPE_CHECKING:
    from mistique_core.store.doctor import Finding


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="whether the store can be worked with from here",
        description="Look at versions, catalogue, storage, permissions, clocks and free space, and say what to do. "
        "Nothing is created or changed. The exit status is 0 if there is no problem, 1 if there is one.",
    )
    parser.add_argument("--read-only", action="store_true", help="this host is only to read")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Examine; return 1 if there is a problem."""
    from mistique_core.store.doctor import Finding, examine

    try:
        config = StoreConfig.resolve(args.store, args.catalogue)
    except MistiqueError as error:
        found = [Finding("settings", "problem", str(error), "correct the option or the variable that it names")]
    else:
        found = examine(config, writes=not args.read_only)
    found += spark_findings()
    problems = sum(finding.state == "problem" for finding in found)
    if args.json:
        findings = [dataclasses.asdict(finding) for finding in found]
        print(json.dumps({"problems": problems, "findings": findings}, indent=2))
    else:
        print_findings(found, problems)
    return 1 if problems else 0


def spark_findings() -> list[Finding]:
    """Return whether Spark would start, where PySpark is installed; a store can be worked with if it would not."""
    from importlib.util import find_spec

    from mistique_core.spark.environment import require_spark
    from mistique_core.store.doctor import Finding

    if find_spec("pyspark") is None:
        return []
    try:
        version = require_spark("PySpark").__version__
    except MistiqueError as error:
        what, _, remedy = str(error).partition("; ")
        return [Finding("spark", "note", what, remedy)]
    return [Finding("spark", "ok", f"PySpark {version}, and a Java that it runs on")]


def print_findings(found: Sequence[Finding], problems: int) -> None:
    """Print each finding, and what to do about it."""
    width = max(len(finding.check) for finding in found)
    for finding in found:
        say(f"{finding.state:7s}  {finding.check:{width}s}  {finding.what}")
        if finding.remedy:
            say(f"         -> {finding.remedy}")
    say("no problems" if not problems else f"{problems} problem{'' if problems == 1 else 's'}")
