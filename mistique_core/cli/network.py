"""``mistique network``: capture the layers of saved networks."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mistique_core.cli.context import console, say
from mistique_core.errors import InvalidInputError, NotFoundError


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    parser = subparsers.add_parser(
        "network",
        help="capture the layers of a saved network",
        description="Work with deep networks that are saved in files.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    logging = commands.add_parser(
        "log",
        help="run a network over rows and log every layer",
        description="Run a Keras network over rows and log the output of every layer to the store, which is created if "
        "it is new. An interrupted capture goes on where it stopped when the command is repeated.",
    )
    logging.add_argument("file", metavar="FILE", type=Path, help="a .keras file, or a .weights.h5 file")
    logging.add_argument("--project", required=True)
    logging.add_argument("--model", required=True)
    logging.add_argument(
        "--input",
        required=True,
        metavar="INPUT",
        help="a .npy file; a .npz file whose arrays are named after the inputs, and may hold row_id; "
        "PACKAGE.MODULE:FUNCTION, which returns rows; or the KEY of an intermediate",
    )
    logging.add_argument(
        "--model-function",
        metavar="PACKAGE.MODULE:FUNCTION",
        help="for a .weights.h5 file: what returns the network without weights",
    )
    logging.add_argument(
        "--layer",
        action="append",
        metavar="NAME",
        help="a layer's name, a pattern such as 'block5_*', or a type such as Conv2D; may be repeated; default: all",
    )
    logging.add_argument(
        "--scheme",
        action="append",
        default=[],
        metavar="[LAYER=]SCHEME",
        help="such as 'pool(2)+float16', or 'Dense=lossless'; may be repeated; default: by the size of the layer",
    )
    logging.add_argument("--batch-rows", type=int, default=1_000, metavar="N", help="rows at a time (1000)")
    logging.add_argument("--no-reuse", action="store_true", help="compute layers although they are stored already")
    logging.add_argument("--exact", action="store_true", help="never begin at a copy that a lossy scheme keeps")
    logging.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Capture a network."""
    from mistique_core.store import Mistique

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow tells on stderr what it was built for
    scheme = _schemes(args.scheme)
    give = _input(args.input)
    with Mistique.open(args.store, args.catalogue) as store:
        report = store.log_intermediates(
            args.file,
            give,
            project=args.project,
            model=args.model,
            layers=args.layer,
            scheme=scheme,
            batch_rows=args.batch_rows,
            model_function=args.model_function,
            reuse=not args.no_reuse,
            exact=args.exact,
        )
        console.print(report.table())
        say(report.summary())


def _schemes(texts: list[str]) -> Any:
    """Return one scheme for all layers, or layer -> scheme; ``None`` for the default."""
    if not texts:
        return None
    parts = [text.partition("=") for text in texts]
    if len(parts) == 1 and not parts[0][1]:
        return parts[0][0]
    named = {name: value for name, sign, value in parts if sign}
    bare = [name for name, sign, _ in parts if not sign]  # for all layers that no other rule fits
    return {**named, "*": bare[-1]} if bare else named


def _input(text: str) -> Callable[[], Any]:
    """Return a function that returns the rows."""
    import numpy as np

    if text.endswith((".npy", ".npz")):
        path = Path(text)
        if not path.is_file():
            raise NotFoundError(f"--input {text!r} does not exist")
        try:
            loaded: Any = np.load(path, allow_pickle=False)
            rows = dict(loaded) if text.endswith(".npz") else loaded
        except (ValueError, OSError) as error:
            raise InvalidInputError(f"--input {text!r} holds no arrays of numbers: {error}") from error
        return lambda: rows
    if ":" in text:
        from mistique_core.workflows.code_location import named_code

        function: Callable[[], Any] = named_code(text, "--input")
        return function
    return lambda: text
