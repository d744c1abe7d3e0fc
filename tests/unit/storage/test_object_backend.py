"""Object storage keeps the storage contract, on a real S3 server."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import boto3
import pytest

from mistique_core.errors import InvalidInputError, StorageError
from mistique_core.storage import STORE_ID, open_backend
from mistique_core.storage.object_address import ObjectOptions
from mistique_core.storage.object_store import ObjectBackend
from mistique_core.testing import StorageContract
from mistique_core.testing.storage import NAMES, Opener
from tests.s3_server import BUCKET
from tests.unit.storage.fault_proxy import fault_proxy


class TestObjectBackend(StorageContract):
    """The contract, below a prefix of its own."""

    @pytest.fixture
    def opener(self, s3_location: str) -> Opener:
        return partial(ObjectBackend, s3_location)


@pytest.fixture
def client(s3_location: str) -> Any:
    """Return another program's view of the server, with the same credentials."""
    opened = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="us-east-1")
    yield opened
    opened.close()


def keys(client: Any, bucket: str, prefix: str) -> dict[str, bytes]:
    """Return every object below a prefix, as boto3 sees it."""
    listed = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return {item["Key"]: client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in listed}


def test_objects_carry_their_own_name(s3_location: str, client: Any) -> None:
    backend = open_backend(s3_location)
    backend.put_if_absent(NAMES[2], b"bytes")
    backend.put_text_if_absent(STORE_ID, "mine")
    prefix = s3_location.removeprefix(f"s3://{BUCKET}/")
    assert keys(client, BUCKET, prefix) == {
        f"{prefix}/partitions/{NAMES[2]}": b"bytes",
        f"{prefix}/store-id": b"mine",
    }


def test_a_store_may_have_a_bucket_for_itself(s3_location: str, client: Any) -> None:
    client.create_bucket(Bucket="all-mine")
    backend = open_backend("s3://all-mine")
    backend.put_if_absent(NAMES[0], b"bytes")
    assert list(keys(client, "all-mine", "")) == [f"partitions/{NAMES[0]}"]
    assert list(backend.names()) == [NAMES[0]]


def test_only_partitions_are_listed(s3_location: str, client: Any) -> None:
    backend = ObjectBackend(s3_location)
    prefix = s3_location.removeprefix(f"s3://{BUCKET}/")
    other = [f"partitions/{NAMES[0][:-3]}", f"partitions/deeper/{NAMES[0]}", f"partitions2/{NAMES[0]}", NAMES[0]]
    for key in (*other, f"partitions/{NAMES[1]}"):
        client.put_object(Bucket=BUCKET, Key=f"{prefix}/{key}", Body=b"x")
    assert list(backend.names()) == [NAMES[1]]
    assert [file.name for file in backend.files()] == [NAMES[1]]


def test_a_listing_of_many_pages_that_breaks_off(s3_endpoint: str, s3_location: str) -> None:
    """S3 lists a thousand at a time; what was listed before a failure is not repeated."""
    names = [f"{number:064x}.h5" for number in range(1005)]
    with fault_proxy(s3_endpoint) as proxy:
        backend = ObjectBackend(s3_location, ObjectOptions(endpoint=proxy.endpoint, first_wait_seconds=0.001))
        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(lambda name: ObjectBackend(s3_location).put_if_absent(name, b"x"), names))
        proxy.requests.clear()
        proxy.faults["GET"] = ["pass", "cut_answer", "busy", "pass", "drop_answer"]
        assert sorted(backend.names()) == names
        assert proxy.statuses("GET") == [200, 200, 0, 200, 200, 200, 200]


def test_ranges_that_lie_near_are_one_request(s3_endpoint: str, s3_location: str) -> None:
    data = bytes(range(250)) * 8000
    with fault_proxy(s3_endpoint) as proxy:
        backend = ObjectBackend(s3_location, ObjectOptions(endpoint=proxy.endpoint))
        backend.put_if_absent(NAMES[0], data)
        proxy.requests.clear()
        ranges = [(1_999_000, 500), (0, 10), (100_000, 10), (1_500_000, 10)]
        assert backend.get_ranges(NAMES[0], ranges) == [data[offset : offset + size] for offset, size in ranges]
        assert proxy.statuses("GET") == [206, 206]


def test_a_bucket_that_is_not_there(s3_location: str) -> None:
    with pytest.raises(
        StorageError, match=r"cannot write 64 bytes to s3://nowhere/probes/.*NoSuchBucket.*; create"
    ) as caught:
        ObjectBackend("s3://nowhere")
    assert "\n" not in str(caught.value)


def test_a_server_that_is_not_there(s3_location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ObjectOptions(endpoint="http://127.0.0.1:1", tries=3, first_wait_seconds=0.001)
    with pytest.raises(StorageError, match=r"no answer \(connect\); check the endpoint") as caught:
        ObjectBackend(s3_location, options)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_settings_that_cannot_be_used(s3_location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "dynamo:nothing")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "perhaps")
    with pytest.raises(InvalidInputError, match=r"check the \$AWS_\* variables") as caught:
        ObjectBackend(s3_location)
    assert "kept-secret" not in str(caught.value)


WITHOUT_OBSTORE = """
import sys
sys.modules["obstore"] = None
from mistique_core.errors import InvalidInputError
from mistique_core.storage import open_backend
try:
    open_backend("s3://bucket/prefix")
except InvalidInputError as error:
    print(error)
"""


def test_without_the_package() -> None:
    """Only those who use object storage need it."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_OBSTORE], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip().endswith("run pip install 'mistique-airflow[s3]'")


FORKED = """
import os, sys
from mistique_core.errors import StorageError
from mistique_core.storage import open_backend
backend = open_backend(sys.argv[1])
child = os.fork()
if not child:
    try:
        backend.size("0" * 64 + ".h5")
    except StorageError as error:
        os._exit(0 if "fork before the first use" in str(error) else 1)
    os._exit(2)
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_forked_process_is_told_instead_of_waiting_for_ever(s3_location: str) -> None:
    subprocess.run([sys.executable, "-c", FORKED, s3_location], check=True, timeout=60)
