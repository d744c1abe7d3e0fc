"""A PostgreSQL server of the cluster's own, where none answers at the usual port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from mistique_core.errors import NotFoundError
from operators.cluster.databases import Server
from operators.cluster.layout import ClusterLayout
from operators.cluster.processes import ClusterStartError, Program
from operators.demo.airflow_settings import HOST

SUPERUSER = "postgres"
_DEBIAN = Path("/usr/lib/postgresql")


def find_programs() -> Path:
    """Return the folder of ``initdb`` and ``postgres``.

    Raises
    ------
    NotFoundError
        If PostgreSQL is not installed.
    """
    versions = sorted((folder for folder in _DEBIAN.glob("*/bin") if (folder / "initdb").exists()), key=_version)
    if versions:
        return versions[-1]
    found = shutil.which("postgres")
    if found is None:
        raise NotFoundError(
            "no PostgreSQL server answers at 127.0.0.1:5432 as a superuser, and none is installed; "
            "install one, on Debian with: apt-get install postgresql"
        )
    return Path(found).resolve().parent


def _version(programs: Path) -> float:
    try:
        return float(programs.parent.name)
    except ValueError:
        return 0.0


def own_server(layout: ClusterLayout) -> Server:
    """Return the login of the cluster's own server."""
    return Server(layout.ports.postgres, SUPERUSER, layout.secrets()["POSTGRES_PASSWORD"])


def data_folder(layout: ClusterLayout) -> Path:
    """Return where the server keeps its data.

    PostgreSQL refuses to run as root. The user that it then runs as cannot enter the state folder, which is
    its owner's only, so that the data are in that user's home.
    """
    user = server_user()
    return layout.folder("postgres") if user is None else Path(pwd.getpwnam(user).pw_dir) / layout.name()


def server_user() -> str | None:
    """Return who has to run the server: ``None`` for who runs the cluster.

    Raises
    ------
    NotFoundError
        If root runs the cluster, and there is no user ``postgres``.
    """
    if os.getuid() != 0:
        return None
    try:
        pwd.getpwnam(SUPERUSER)
    except KeyError as error:
        raise NotFoundError(
            "PostgreSQL does not run as root, and there is no user 'postgres'; run the cluster as another user"
        ) from error
    return SUPERUSER


def server_program(layout: ClusterLayout) -> Program:
    """Return how to start the server, after its data folder has been made on the first call.

    Raises
    ------
    NotFoundError
        If PostgreSQL is not installed.
    ClusterStartError
        If the folder cannot be made; the message is PostgreSQL's.
    """
    programs, folder, user = find_programs(), data_folder(layout), server_user()
    if not (folder / "PG_VERSION").exists():
        _create(programs, folder, user, layout.secrets()["POSTGRES_PASSWORD"])
    settings = {"listen_addresses": HOST, "unix_socket_directories": "", "max_connections": "200"}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return Program(
        "postgres",
        [str(programs / "postgres"), "-D", str(folder), "-p", str(layout.ports.postgres), *options],
        folder,
        _environment(),
        # A fast shutdown: SIGTERM would wait until everyone has gone.
        stop_signal=signal.SIGINT,
        user=user,
    )


def delete_data(layout: ClusterLayout) -> None:
    """Delete the server's data, if it has any."""
    try:
        folder = data_folder(layout)
    except NotFoundError:  # nobody could have run it
        return
    shutil.rmtree(folder, ignore_errors=True)


def _create(programs: Path, folder: Path, user: str | None, password: str) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    secret = folder.with_name(f"{folder.name}.password")
    secret.touch(mode=0o600)
    if user is not None:
        shutil.chown(folder, user)
        shutil.chown(secret, user)
    secret.write_text(password)
    try:
        made = subprocess.run(
            [
                str(programs / "initdb"),
                f"--username={SUPERUSER}",
                f"--pwfile={secret}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "-D",
                str(folder),
            ],
            env=_environment(),
            cwd=folder,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        secret.unlink()
    if made.returncode:
        shutil.rmtree(folder)
        raise ClusterStartError(f"initdb ended with status {made.returncode}: {made.stderr.strip()[-300:]}")


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
