"""What Spark needs on this machine: the package, and a Java that it runs on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

from mistique_core.errors import InvalidInputError

OLDEST_JAVA = 17
"""The oldest major version that Spark 4 runs on."""
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def require_spark(what: str) -> Any:
    """Return the module ``pyspark``; `what` says who needs it.

    Raises
    ------
    InvalidInputError
        If it is not installed, is too old, or finds no Java, or one that is too old.
    """
    try:
        import pyspark
    except ModuleNotFoundError as error:
        raise InvalidInputError(
            f"{what} needs PySpark; install it with: pip install 'mistique-airflow[spark]'"
        ) from error
    if int(pyspark.__version__.split(".")[0]) < 4:
        raise InvalidInputError(
            f"{what} needs PySpark 4.0 or newer, and {pyspark.__version__} is installed; "
            "upgrade it with: pip install --upgrade 'mistique-airflow[spark]'"
        )
    check_java(what)
    return pyspark


def check_java(what: str) -> None:
    """Raise :class:`InvalidInputError` unless Spark will find a Java that it runs on; `what` says who needs it.

    Raises
    ------
    InvalidInputError
        If ``$JAVA_HOME`` or, without it, the path has no Java, or one older than `OLDEST_JAVA`.
    """
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home, "bin", "java")) if home else shutil.which("java")
    remedy = (
        f"install Java {OLDEST_JAVA} or newer (on Debian: apt-get install default-jre-headless), "
        "or set JAVA_HOME to where it is"
    )
    if program is None or not Path(program).is_file():
        where = f"JAVA_HOME={home} has no bin/java" if home else "no java is on the path"
        raise InvalidInputError(f"{what} needs Java, and {where}; {remedy}")
    version = _version_of(program)
    if version < OLDEST_JAVA:
        found = f"is version {version}" if version else "does not say its version"
        raise InvalidInputError(f"{what} needs Java {OLDEST_JAVA} or newer, and {program} {found}; {remedy}")


@lru_cache(maxsize=8)
def _version_of(program: str) -> int:
    """Return the major version of a Java, or 0."""
    try:
        answer = subprocess.run(  # noqa: S603 - what Spark itself is about to start
            [program, "-version"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = _VERSION.search(answer.stderr + answer.stdout)
    return int(found.group(1)) if found else 0
