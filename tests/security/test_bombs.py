"""Small inputs that stand for large ones: refused, in bounded time and memory, and no process ends by them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest

from benchmarks.fuzzing.forged_partition import bomb
from mistique_core import Mistique
from mistique_core.cli.main import main
from mistique_core.dedup import chunk_hash
from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.modeldb.light_api import LightFileError, read_light_file
from mistique_core.modeldb.mlflow_files import list_experiments
from mistique_core.partition import build_partition, encode_chunk, read_columns, scan_partition
from mistique_core.partition.claims import MOST_CHUNK_BYTES
from mistique_core.quantizers import parse_scheme
from mistique_core.workflows.specification.document import MAX_CHARACTERS
from mistique_core.workflows.specification.load import load_workflow
from mistique_core.workflows.specification.problem import WorkflowSpecificationError
from tests.security.pages_client import pages_of

MOST_SECONDS = 20.0
DEEP = {
    "flow sequences": "[" * 400_000,
    "block sequences": "- " * 400_000,
    "keys": "? " * 400_000,
    "mappings": "{a: " * 200_000,
}
ALIASES = "\n".join(
    [
        "a0: &a0 [x, x, x, x, x, x, x, x, x, x]",
        *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)),
    ]
)


def test_deep_yaml_ends_no_process(tmp_path: Path) -> None:
    """PyYAML's reader in C calls itself for each level: 400,000 of them ended the process that read DAG files."""
    files = []
    for name, text in DEEP.items():
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(text)
    code = (
        "import sys\nfrom mistique_core.errors import MistiqueError\n"
        "from mistique_core.modeldb.light_api import read_light_file\n"
        "from mistique_core.workflows.specification.load import load_workflow\n"
        "for file in sys.argv[1:]:\n"
        "    for read in (load_workflow, read_light_file):\n"
        "        try:\n            read(file)\n"
        "        except MistiqueError as error:\n            print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, files)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("levels deep; write them flatter") == 2 * len(DEEP)


@pytest.mark.parametrize(
    "text", [ALIASES, "a: &a [*a]", "a: &a {b: *a}"], ids=["many aliases", "a list in itself", "a map"]
)
def test_aliases_in_every_kind_of_file(text: str, tmp_path: Path) -> None:
    file = tmp_path / "bomb.yaml"
    file.write_text(text)
    start = time.monotonic()
    with pytest.raises(WorkflowSpecificationError):
        load_workflow(file)
    with pytest.raises(LightFileError):
        read_light_file(file)
    folder = tmp_path / "mlruns" / "1"
    folder.mkdir(parents=True)
    (folder / "meta.yaml").write_text(f"name: &n [x]\nexperiment_id: *n\n{text}")
    assert len(list_experiments(tmp_path / "mlruns")[1]) == 1 or "*a" in text
    assert time.monotonic() - start < MOST_SECONDS


def test_a_file_that_is_too_long_is_not_read_whole(tmp_path: Path) -> None:
    """A sparse file of a terabyte has the size of one, and no bytes on the disk."""
    file = tmp_path / "long.yaml"
    with file.open("wb") as opened:
        opened.truncate(1 << 40)
    for read, error in ((load_workflow, WorkflowSpecificationError), (read_light_file, LightFileError)):
        start = time.monotonic()
        with pytest.raises(error, match="too long"):
            read(file)
        assert time.monotonic() - start < MOST_SECONDS
    file.write_text("x" * (MAX_CHARACTERS + 1))
    with pytest.raises(WorkflowSpecificationError, match="1,000,001 characters"):
        load_workflow(file)


@pytest.mark.parametrize(
    "text",
    [
        '{"MODEL": {"NAME": "m", "TYPE": "t", "CONFIG": {"n": ' + "9" * 5_000 + "}}}",
        '{"MODEL": {"NAME": "m", "TYPE": "t", "CONFIG": {"n": ' + "[" * 900 + "]" * 900 + "}}}",
        "{" + ",".join(f'"k{n}": 1' for n in range(150_000)) + ', "k1": 2}',
    ],
    ids=["digits", "depth", "a key twice among many"],
)
def test_json_of_the_light_api(text: str, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(text)
    start = time.monotonic()
    with pytest.raises(LightFileError):
        read_light_file(file)
    assert time.monotonic() - start < MOST_SECONDS


@pytest.mark.parametrize("key", ["p.m@" + "9" * 5_000 + ".x.y", "p.m@²" + ".x.y", f"p.m@{2**63}.x.y", "p.m@٣.x.y"])
def test_numbers_that_python_or_sql_does_not_take(key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Mistique.open(tmp_path) as store:
        store.log_array("p", "m", "x", np.ones((2, 2)), names=["y", "z"])
        with pytest.raises(InvalidInputError, match="version"):
            store.get_intermediates(key)
    for command in (["get", key], ["delete", key.rpartition(".")[0], "--yes"], ["modeldb", "verdict", key[:40]]):
        assert main(["--store", str(tmp_path), *command]) in (0, 1)
        assert "Traceback" not in capsys.readouterr().err


def test_a_scheme_of_many_parts() -> None:
    with pytest.raises(InvalidInputError, match="characters"):
        parse_scheme("pool(2)+" * 50_000 + "float16")


# ---------------------------------------------------------------- partitions


def forged(**claims: object) -> bytes:
    """Return a partition whose only chunk makes these claims: dtype, shape, transform, size of its page, its frame."""
    data, _ = build_partition([encode_chunk(b"\xab" * 32, np.arange(5.0), 3)])
    buffer = io.BytesIO(data)
    size = int(claims["size"])  # type: ignore[call-overload]
    with h5py.File(buffer, "r+") as file:
        del file["chunks"]["ab" * 32]
        chunk = file["chunks"].create_dataset(
            "ab" * 32, shape=(size,), dtype="u1", chunks=(size,), compression=hdf5plugin.Zstd.filter_id
        )
        chunk.id.write_direct_chunk((0,), claims["frame"], 0)
        document = {name: claims[name] for name in ("dtype", "shape", "transform")}
        chunk.attrs["codec"] = np.bytes_(json.dumps(document))
    return buffer.getvalue()


GIANT = 3 << 30
CLAIMS = {
    "too large": {"dtype": "<f8", "shape": [GIANT], "transform": {"kind": "decimal", "dtype": "|u1"}, "size": GIANT},
    "digits": {"dtype": "|u1", "shape": [4 * GIANT], "transform": {"kind": "digits", "dtype": "|u1"}, "size": GIANT},
    "zeros": {"dtype": "<f8", "shape": [8 * 10**10], "transform": {"kind": "sparse", "dtype": "|u1"}, "size": 10},
    "items of a gigabyte": {
        "dtype": "|V1000000000", "shape": [80], "transform": {"kind": "sparse", "dtype": "|u1"}, "size": 10,
    },
    "objects": {"dtype": "|O", "shape": [10], "transform": {"kind": "plain", "dtype": "|u1"}, "size": 10},
    "negative sizes": {"dtype": "|u1", "shape": [-8, -5], "transform": {"kind": "digits", "dtype": "|u1"}, "size": 10},
    "no whole size": {"dtype": "|u1", "shape": [10.5], "transform": {"kind": "plain", "dtype": "|u1"}, "size": 10},
    "a true size": {"dtype": "|u1", "shape": [True], "transform": {"kind": "plain", "dtype": "|u1"}, "size": 1},
    "whole decimals": {"dtype": "<i8", "shape": [10], "transform": {"kind": "decimal", "dtype": "|u1"}, "size": 10},
    "offsets of floats": {"dtype": "<f8", "shape": [10], "transform": {"kind": "offset", "dtype": "|u1"}, "size": 10},
    "wide digits": {"dtype": "<f2", "shape": [40], "transform": {"kind": "digits", "dtype": "|u1"}, "size": 10},
    "narrow codes": {"dtype": "<f8", "shape": [10], "transform": {"kind": "plain", "dtype": "|u1"}, "size": 10},
    "times": {"dtype": "<M8[ns]", "shape": [10], "transform": {"kind": "offset", "dtype": "|u1"}, "size": 10},
}  # fmt: skip


@pytest.mark.parametrize("name", CLAIMS)
def test_a_partition_that_claims_too_much(name: str) -> None:
    """Refused before anything of that size is allocated, and before any formula is tried."""
    claims = CLAIMS[name]
    data = forged(**claims, frame=bomb(int(claims["size"]), honest=False))  # type: ignore[call-overload]
    assert len(data) < 1 << 20
    with pytest.raises(CorruptPartitionError):
        list(scan_partition(data))


def test_a_bomb_as_the_list_of_columns() -> None:
    for size in (1 << 29, 1 << 40):
        buffer = io.BytesIO(build_partition([])[0])
        with h5py.File(buffer, "r+") as file:
            file.create_dataset("columns", data=np.frombuffer(bomb(size, honest=False), "u1"))
        with pytest.raises(CorruptPartitionError):
            read_columns(buffer.getvalue())


def test_links_out_of_a_partition_are_not_followed(tmp_path: Path) -> None:
    """HDF5 would open other files of the host for whoever reads the partition."""
    other = tmp_path / "other.h5"
    array = np.arange(70.0)
    other.write_bytes(build_partition([encode_chunk(chunk_hash(array), array, 3)], [{"address": "secret"}])[0])
    name = chunk_hash(array).hex()
    raw = tmp_path / "raw"
    raw.write_bytes(b"a secret of this host")

    def links(file: h5py.File) -> None:
        file["chunks"][name] = h5py.ExternalLink(str(other), f"/chunks/{name}")

    def group(file: h5py.File) -> None:
        del file["chunks"]
        file["chunks"] = h5py.ExternalLink(str(other), "/chunks")

    def columns(file: h5py.File) -> None:
        file["columns"] = h5py.ExternalLink(str(other), "/columns")

    def outside(file: h5py.File) -> None:
        file.create_dataset("columns", shape=(21,), dtype="u1", external=[(str(raw), 0, 21)])

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout(shape=(21,), dtype="u1")
        layout[:] = h5py.VirtualSource(str(other), "/columns", shape=(21,))
        file.create_virtual_dataset("columns", layout)

    for change, read in ((links, scan_partition), (group, scan_partition), (columns, read_columns),
                         (outside, read_columns), (virtual, read_columns)):  # fmt: skip
        buffer = io.BytesIO(build_partition([])[0])
        with h5py.File(buffer, "r+") as file:
            change(file)
        with pytest.raises(CorruptPartitionError) as caught:
            list(read(buffer.getvalue()))
        assert "secret" not in str(caught.value)


def test_nothing_larger_is_written_than_can_be_read() -> None:
    """No memory is touched: the array is one value seen many times."""
    array = np.broadcast_to(np.float64(0.5), (MOST_CHUNK_BYTES // 8 + 1,))
    with pytest.raises(InvalidInputError, match="smaller block_rows"):
        encode_chunk(b"\xab" * 32, array, 3)


# ---------------------------------------------------------------- requests


def test_bodies_and_numbers_of_requests(tmp_path: Path) -> None:
    home = tmp_path / "store"
    with Mistique.open(home) as store, store.run("p", "m") as run:
        run.log_array("x", np.ones((2, 2)))
    with pages_of(home, f"sqlite:///{home}/catalogue.db") as client:
        api = "/mistique/api/modeldb"
        json_type = {"Content-Type": "application/json"}
        large = client.put(f"{api}/metadata/run/1", content=b'{"a": "' + b"x" * 5_000_000 + b'"}', headers=json_type)
        assert large.status_code == 413
        assert client.put(f"{api}/metadata/run/1", content=iter([b"{}"]), headers=json_type).status_code == 411
        for text in ("[" * 100_000, '{"a":' * 900 + "1" + "}" * 900, '{"a": ' + "9" * 5_000 + "}", '{"a": NaN}'):
            refused = client.put(f"{api}/metadata/run/1", content=text, headers=json_type)
            assert 400 <= refused.status_code < 500, text[:20]
        for ids in ("²", "9" * 5_000, "1,٣", "-1", "1e3"):
            assert client.get(f"{api}/runs/compare", params={"ids": ids}).status_code == 400, ids
        for text in (
            "limit " + "9" * 5_000,
            "(" * 5_000,
            "not " * 2_000 + "tags.a",
        ):
            assert client.get(f"{api}/runs", params={"filter": text}).status_code == 400, text[:20]
        assert client.get(f"{api}/metadata/run/1", params={"path": "a." + "9" * 5_000}).status_code in (400, 404)
        for path in ("hyperparameters", "features", "feature-importances", "common-ancestor"):
            answer = client.get(f"{api}/compare/{path}", params={"first": 2**70, "second": 1})
            assert answer.status_code in (404, 422), path
        noted = client.post(f"{api}/runs/1/annotations", json={"fragments": [{"model_id": 2**70}]})
        assert noted.status_code == 422
        for path in ("query/" + "9" * 30, "api/query/" + "9" * 5_000, "api/runs?limit=" + "9" * 5_000):
            assert client.get(f"/mistique/{path}").status_code == 422


@pytest.mark.parametrize("text", ["x>" + "9" * 5_000, "x==" + "[" * 100_000, "x<" + "[" * 900 + "]" * 900])
def test_predicates_of_dag_conf_and_command_line(text: str) -> None:
    from mistique_core.diagnostics.predicate import parse_predicate

    column, symbol, value = parse_predicate("where", text)
    assert (column, symbol) in (("x", ">"), ("x", "=="), ("x", "<"))
    assert isinstance(value, str | list)
