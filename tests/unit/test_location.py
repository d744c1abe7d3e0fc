"""What names the place of a store."""

from pathlib import Path

import pytest

from mistique_core.config import StoreConfig
from mistique_core.errors import InvalidInputError

URL = "postgresql+psycopg://user@host/database"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MISTIQUE_HOME", "MISTIQUE_CATALOGUE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ("here", "here"),
        (Path("here"), "here"),
        ("~/there", "home/there"),
        ("file:///abs", "/abs"),
        (None, "home/.mistique"),
    ],
)
def test_a_folder(tmp_path: Path, given: str | Path | None, folder: str) -> None:
    config = StoreConfig.resolve(given, None)
    assert config.folder == tmp_path / folder
    assert config.location == str(tmp_path / folder)
    assert config.catalogue_url == f"sqlite:///{tmp_path / folder}/catalogue.db"


def test_object_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    config = StoreConfig.resolve("s3://bucket/a/b/", URL)
    assert (config.location, config.folder, config.catalogue_url) == ("s3://bucket/a/b", None, URL)
    monkeypatch.setenv("MISTIQUE_CATALOGUE_URL", URL)
    assert StoreConfig.resolve("s3://bucket/a/b", None) == config
    monkeypatch.setenv("MISTIQUE_HOME", "s3://bucket/a/b")
    assert StoreConfig.resolve(None, None) == config


def test_a_folder_does_not_take_the_catalogue_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """It belongs to the store that the environment names."""
    monkeypatch.setenv("MISTIQUE_CATALOGUE_URL", URL)
    assert StoreConfig.resolve("here", None).catalogue_url.startswith("sqlite:///")
    assert StoreConfig.resolve(None, None).catalogue_url == URL


def test_object_storage_needs_a_catalogue() -> None:
    with pytest.raises(InvalidInputError, match="in s3://bucket/a needs a catalogue elsewhere; give catalogue_url"):
        StoreConfig.resolve("s3://bucket/a", None)


@pytest.mark.parametrize("location", ["gs://bucket/a", "https://bucket.example/a", "S3://bucket/a"])
def test_other_places(location: str) -> None:
    with pytest.raises(InvalidInputError, match="neither a folder nor object storage"):
        StoreConfig.resolve(location, URL)


@pytest.mark.parametrize("location", ["s3://key:secret@bucket/a", "s3://bucket/a?token=secret", "s3://bucket/a#secret"])
def test_secrets_in_a_location_are_refused_and_not_repeated(location: str) -> None:
    with pytest.raises(InvalidInputError, match="AWS_SECRET_ACCESS_KEY") as caught:
        StoreConfig.resolve(location, URL)
    assert "secret@" not in str(caught.value)
    assert "=secret" not in str(caught.value)


@pytest.mark.parametrize("location", ["https: /key:secret@h://host:9000", "https:/@key:secret@@x://host"])
def test_what_stands_before_slashes_and_is_no_scheme_is_not_repeated(location: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^location is neither a folder nor object storage"):
        StoreConfig.resolve(location, "sqlite:////nowhere/c.db")
