"""Ports of the loopback interface."""

from __future__ import annotations

import socket
from contextlib import ExitStack

from mistique_core.errors import InvalidInputError
from operators.demo.airflow_settings import HOST


def check_port(port: int, target: str) -> None:
    """Check that a server can listen at a port.

    Parameters
    ----------
    port
        The port that was asked for.
    target
        The target of make that takes another port, for the message.

    Raises
    ------
    InvalidInputError
        If it is no port, or is taken.
    """
    if not 1 <= port <= 65_535:
        raise InvalidInputError(f"port {port} is not a port; give a number from 1 to 65535")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InvalidInputError(
                f"port {port} cannot be used ({error.strerror}); end the program that uses it, or choose another: "
                f"make {target} PORT={port + 1}"
            ) from error


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens at, all different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def answers(port: int) -> bool:
    """Return whether something listens at a port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
