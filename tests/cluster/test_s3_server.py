"""The cluster's S3 server: objects outlive it, one of many puts wins, and nobody gets in without its key."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import numpy as np
import obstore
import pandas as pd
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from obstore.store import S3Store

from mistique_core import Mistique
from mistique_core.errors import MistiqueError
from operators.cluster.kept_objects import KeptObject, KeptObjects
from operators.demo.ports import answers, free_ports

KEY, SECRET, BUCKET = "mistique", "7c1f0e5a9b", "mistique"


@dataclass
class Server:
    folder: Path
    port: int = field(default_factory=lambda: free_ports(1)[0])
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        options = ["--port", str(self.port), "--folder", str(self.folder), "--bucket", BUCKET]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "operators.cluster.s3_server", *options],
            env={**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET},
        )
        deadline = time.monotonic() + 60
        while not answers(self.port):
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def client(self, secret: str = SECRET, key: str = KEY) -> S3Store:
        return S3Store(
            BUCKET,
            endpoint=self.url,
            region="us-east-1",
            access_key_id=key,
            secret_access_key=secret,
            client_options={"allow_http": True},
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("objects"))
    made.start()
    yield made
    made.kill()


@pytest.fixture
def client(server: Server) -> S3Store:
    return server.client()


def test_a_store_outlives_its_server(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {"ENDPOINT_URL": server.url, "ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": SECRET}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    place = (f"s3://{BUCKET}/store", f"sqlite:///{tmp_path / 'catalogue.db'}")
    frame = pd.DataFrame({"a": np.arange(900.0)}, index=pd.RangeIndex(900, name="row_id"))
    with Mistique.open(*place) as store:
        store.log_frame("p", "m", "kept", frame)
        store.log_frame("p", "other", "deleted", frame * 2)
        store.delete("p", "other")
        store.gc(grace_seconds=0)
    server.kill()
    server.start()
    with Mistique.open(*place) as store:
        got = store.get_intermediates("p.m.kept", strategy="read").to_pandas()
        pd.testing.assert_frame_equal(got, frame, check_exact=True)
        report = store.check(read_data=True)
    assert report.problems == ()
    assert len([item for page in obstore.list(server.client(), "store/partitions") for item in page]) == 1
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET[:-1])
    with pytest.raises(MistiqueError, match=r"HTTP status 403.*set \$AWS_ACCESS_KEY_ID"):
        Mistique.open(*place)


def test_metadata_and_deletions_outlive_the_server(server: Server, client: S3Store) -> None:
    for name in ("one", "two words & more", "three"):
        obstore.put(client, name, name.encode(), attributes={"writer": "me", "Content-Type": "text/x-mine"})
    obstore.delete(client, ["one", "two words & more"])
    server.kill()
    server.start()
    found = obstore.get(client, "three")
    assert bytes(found.bytes()) == b"three"
    assert found.attributes["writer"] == "me"
    assert found.attributes["Content-Type"] == "text/x-mine"
    for name in ("one", "two words & more"):
        with pytest.raises(FileNotFoundError):
            obstore.head(client, name)


def test_of_many_puts_at_once_one_wins(client: S3Store) -> None:
    for turn in range(5):
        barrier, won = threading.Barrier(6), []

        def put(number: int, turn: int = turn, barrier: threading.Barrier = barrier, won: list[int] = won) -> None:
            barrier.wait()
            try:
                obstore.put(client, f"raced-{turn}", bytes([number]) * 100_000, mode="create")
            except obstore.exceptions.AlreadyExistsError:
                return
            won.append(number)

        threads = [threading.Thread(target=put, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (winner,) = won
        assert bytes(obstore.get(client, f"raced-{turn}").bytes()) == bytes([winner]) * 100_000


def test_boto3_which_signs_otherwise_is_accepted(server: Server) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="eu-central-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
    )
    client.put_object(Bucket=BUCKET, Key="from boto/a+b", Body=b"body", Metadata={"who": "boto"})
    assert client.get_object(Bucket=BUCKET, Key="from boto/a+b")["Body"].read() == b"body"
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix="from boto/")["Contents"]
    assert [item["Key"] for item in listed] == ["from boto/a+b"]
    with pytest.raises(ClientError, match="NotImplemented"):
        client.create_multipart_upload(Bucket=BUCKET, Key="large")


@pytest.mark.parametrize(("secret", "key"), [("7c1f0e5a9c", KEY), (SECRET, "someone")])
def test_another_key_is_refused(server: Server, client: S3Store, secret: str, key: str) -> None:
    obstore.put(client, "guarded", b"mine")
    other = server.client(secret, key)
    for call in (
        lambda: obstore.get(other, "guarded"),
        lambda: obstore.put(other, "guarded", b"theirs"),
        lambda: list(obstore.list(other)),
    ):
        with pytest.raises((obstore.exceptions.PermissionDeniedError, obstore.exceptions.GenericError), match="403"):
            call()
    assert bytes(obstore.get(client, "guarded").bytes()) == b"mine"


@pytest.mark.parametrize("path", ["/", "/mistique", "/mistique/guarded", "/moto-api/", "/moto-api/reset"])
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
def test_unsigned_requests_are_refused(server: Server, path: str, method: str) -> None:
    request = urllib.request.Request(f"{server.url}{path}", method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError, match="403") as caught:
        opener.open(request, timeout=30)
    caught.value.close()


def test_a_body_that_was_changed_on_the_way_is_refused(server: Server, client: S3Store) -> None:
    signed: dict[str, str] = {}
    session = boto3.client(
        "s3", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET
    )
    session.meta.events.register("before-send.s3.PutObject", lambda request, **_: signed.update(request.headers))
    session.put_object(Bucket=BUCKET, Key="sent", Body=b"sent")
    headers = {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in signed.items()
        if name.lower() not in ("content-length", "expect", "transfer-encoding")
    }
    request = urllib.request.Request(f"{server.url}/{BUCKET}/sent", data=b"else", headers=headers, method="PUT")
    with pytest.raises(urllib.error.HTTPError, match="403") as caught:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30)
    caught.value.close()
    assert bytes(obstore.get(client, "sent").bytes()) == b"sent"


def test_an_object_that_was_being_written_is_not_there(tmp_path: Path) -> None:
    kept = KeptObjects(tmp_path)
    kept.keep(KeptObject("/b/a/../x\n", {"content-type": "text/plain"}, b"line\nline"))
    (tmp_path / "%2Fb%2Fhalf.writing").write_bytes(b"{}")
    again = list(KeptObjects(tmp_path))
    assert again == [KeptObject("/b/a/../x\n", {"content-type": "text/plain"}, b"line\nline")]
    assert {file.parent for file in tmp_path.rglob("*")} == {tmp_path}
    kept.forget("/b/a/../x\n")
    kept.forget("/b/absent")
    assert list(KeptObjects(tmp_path)) == []
