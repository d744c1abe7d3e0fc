"""One user of one machine: whoever has the token that ``mistique ui`` prints."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.responses import RedirectResponse

COOKIE = "mistique_token"


@dataclass(frozen=True)
class LocalUser:
    """Who started the server."""

    username: str


class TokenAccess:
    """Grants everything to requests that carry the token, in a cookie or as a bearer, and nothing to others.

    Parameters
    ----------
    token
        The secret.
    user
        Name under which edits are recorded.
    dags
        Gives all DAGs of the catalogue.
    """

    def __init__(self, token: str, user: str, dags: Callable[[], Iterable[str]]) -> None:
        self._token = token
        self._user = LocalUser(user)
        self._dags = dags

    async def user(self, request: Request) -> LocalUser:
        """Return the user; raises ``HTTPException`` 401 without the token."""
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        for given in (request.cookies.get(cookie_name(request)), bearer):
            if given and hmac.compare_digest(given.encode(), self._token.encode()):
                return self._user
        raise HTTPException(401, "Open the address that `mistique ui` printed, with its token")

    def readable_dags(self, user: Any) -> set[str]:
        """Return all DAGs."""
        return set(self._dags())

    def editable_dags(self, user: Any) -> set[str]:
        """Return all DAGs, and one more: without any DAG, runs of scripts can still be edited."""
        return {*self._dags(), "mistique"}

    def log_in(self, request: Request, token: str, target: str) -> Response:
        """Return the answer to the address that was printed: a cookie, and the first page."""
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            raise HTTPException(401, "The token is wrong; open the address that `mistique ui` printed last")
        answer = RedirectResponse(target, 303)
        answer.set_cookie(cookie_name(request), self._token, httponly=True, samesite="strict", path="/")
        return answer


def cookie_name(request: Request) -> str:
    """Return the cookie's name: cookies are shared by all ports of a host, servers are not."""
    return f"{COOKIE}_{hashlib.sha256(request.headers.get('host', '').encode()).hexdigest()[:8]}"
