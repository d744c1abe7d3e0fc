"""Where objects are, and which servers are talked to."""

import pytest

from mistique_core.errors import InvalidInputError
from mistique_core.storage.object_address import ObjectAddress, ObjectOptions


@pytest.fixture(autouse=True)
def no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_ALLOW_HTTP"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("url", "bucket", "prefix", "shown"),
    [
        ("s3://store", "store", "", "s3://store"),
        ("s3://store/", "store", "", "s3://store"),
        ("s3://my.store-1/a/b_c=d", "my.store-1", "a/b_c=d", "s3://my.store-1/a/b_c=d"),
        ("s3://store/a/b/", "store", "a/b", "s3://store/a/b"),
    ],
)
def test_parts(url: str, bucket: str, prefix: str, shown: str) -> None:
    address = ObjectAddress.parse(url)
    assert (address.bucket, address.prefix, str(address)) == (bucket, prefix, shown)


@pytest.mark.parametrize("url", ["s3://", "s3:///a", "s3://a", "s3://UPPER", "s3://a_b", "gs://store/a", "store/a"])
def test_no_bucket(url: str) -> None:
    with pytest.raises(InvalidInputError, match="does not name a bucket"):
        ObjectAddress.parse(url)


@pytest.mark.parametrize("prefix", ["a//b", "../a", "a/./b", "a b", "ä", "a%20b", "a\nb", "a" * 513, "a\0"])
def test_prefixes_that_tools_would_show_differently(prefix: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot be used") as caught:
        ObjectAddress.parse(f"s3://store/{prefix}")
    assert "\n" not in str(caught.value)


def test_the_endpoint_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ObjectOptions().resolved_endpoint() is None
    for name, url in (
        ("AWS_ENDPOINT", "https://c"),
        ("AWS_ENDPOINT_URL", "https://b"),
        ("AWS_ENDPOINT_URL_S3", "https://a"),
    ):
        monkeypatch.setenv(name, url)
        assert ObjectOptions().resolved_endpoint() == url
    assert ObjectOptions(endpoint="https://d:9000").resolved_endpoint() == "https://d:9000"


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "127.1.2.3", "[::1]:9000", "localhost:9000"])
def test_http_to_this_machine(host: str) -> None:
    assert ObjectOptions(endpoint=f"http://{host}").resolved_endpoint() == f"http://{host}"


@pytest.mark.parametrize("host", ["minio:9000", "10.0.0.1", "127.0.0.1.example.com", "localhost.example.com"])
def test_http_elsewhere_only_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    url = f"http://{host}"
    with pytest.raises(InvalidInputError, match=r"is unencrypted; use https, or set \$AWS_ALLOW_HTTP=true"):
        ObjectOptions(endpoint=url).resolved_endpoint()
    assert ObjectOptions(endpoint=url, allow_http=True).resolved_endpoint() == url
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    assert ObjectOptions(endpoint=url).resolved_endpoint() == url
    with pytest.raises(InvalidInputError, match="is unencrypted"):
        ObjectOptions(endpoint=url, allow_http=False).resolved_endpoint()


@pytest.mark.parametrize("url", ["https://key:secret@host", "https://host/?token=secret", "https://host/#secret"])
def test_secrets_in_an_endpoint_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidInputError, match=r"\$AWS_SECRET_ACCESS_KEY") as caught:
        ObjectOptions(endpoint=url).resolved_endpoint()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["host:9000", "ftp://host", "https://", "/a/b"])
def test_endpoints_that_are_no_url(url: str) -> None:
    with pytest.raises(InvalidInputError, match="is not a URL"):
        ObjectOptions(endpoint=url).resolved_endpoint()


def test_secrets_are_not_shown() -> None:
    options = ObjectOptions(access_key_id="mine", secret_access_key="kept", session_token="kept too")
    assert "kept" not in repr(options)
    assert "mine" not in repr(options)


@pytest.mark.parametrize(
    "setting",
    [
        {"tries": 0},
        {"first_wait_seconds": -1},
        {"total_seconds": -1},
        {"timeout_seconds": 0},
        {"connect_timeout_seconds": 0},
    ],
    ids=str,
)
def test_wrong_settings(setting: dict[str, int]) -> None:
    ((name, value),) = setting.items()
    with pytest.raises(InvalidInputError, match=f"{name}={value}"):
        ObjectOptions(**setting)  # type: ignore[arg-type]
