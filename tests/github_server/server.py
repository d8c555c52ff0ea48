"""The server: threads on loopback, a log of what was asked, and faults on their way out.

The REST interface lies under `/api/v3`, git under `/owner/name.git`, as on GitHub Enterprise.
Every healthy REST answer is held against GitHub's OpenAPI description; leaving the `with` block
fails if one departs from it.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import unquote

from tests.github_server import contract, rest, routes
from tests.github_server.faults import STATUS, Fault, What, refuse, spoil
from tests.github_server.git_http import serve_git
from tests.github_server.releases import UPLOADS, download
from tests.github_server.rest import Answer, Request
from tests.github_server.wire import LoopbackServer
from tests.github_server.world import World

API = "/api/v3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One request that was answered: `sent` is the size of the body in bytes."""

    method: str
    path: str
    status: int
    sent: int
    authorization: str | None
    fault: What | None = None

    @property
    def is_api(self) -> bool:
        """Whether it went to the REST interface, not to git."""
        return self.path.startswith((API, UPLOADS))


class GithubServer:
    """A GitHub of its own; use it in a `with` block.

    `limit` requests may be made before 403 answers; a 304 costs nothing.
    """

    def __init__(self, root: Path, *, limit: int = 1000) -> None:
        self.world = World(root)
        self.faults: list[Fault] = []
        self.log: list[Served] = []
        self.violations: list[str] = []
        self.limit = limit
        self.used = 0
        self.reset_at = int(time.time()) + 3600
        self._lock = threading.Lock()
        self._wire = LoopbackServer(self)

    @property
    def api_url(self) -> str:
        """What `GITHUB_API_URL` must be to reach this server."""
        return f"{self._wire.origin}{API}"

    @property
    def origin(self) -> str:
        """The scheme, host and port, without a path."""
        return self._wire.origin

    def __enter__(self) -> GithubServer:
        self._wire.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._wire.stop()
        if kind is None and self.violations:
            raise AssertionError(
                "answers that GitHub would not give: " + "; ".join(self.violations)
            )

    def script(self, *faults: Fault) -> None:
        """Let these faults happen, besides those already scripted."""
        self.faults.extend(faults)

    def heal(self) -> None:
        """Forget all faults and give the hour's requests back."""
        self.faults.clear()
        self.used = 0

    def stop_waiting(self) -> None:
        """Hang up on the clients that `What.TIMEOUT` keeps waiting, now and from now on."""
        self._wire.hang_up()

    def api_log(self) -> list[Served]:
        """Return the requests to the REST interface, in order."""
        return [served for served in self.log if served.is_api]

    def git_log(self) -> list[Served]:
        """Return the requests of git, in order."""
        return [served for served in self.log if not served.is_api]

    def reply(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Answer, What | None]:
        """Return the answer to a request, and the fault that befalls it on the wire."""
        path, _, query = target.partition("?")
        with self._lock:
            fault = next((one for one in self.faults if one.strikes(path)), None)
            if fault and fault.before:
                fault.before()
            what = fault.what if fault else None
            if fault and what in STATUS:
                answer = refuse(fault, what, self.limit)
            elif path.startswith((API, UPLOADS)):
                below = path.removeprefix(API).removeprefix(UPLOADS)
                answer = self._api(method, below, query, headers, body)
            elif found := re.fullmatch(r"/([^/]+/[^/]+)/releases/(.+)", unquote(path)):
                repo = self.world.find(found[1])
                answer = (
                    rest.failure(404, "Not Found")
                    if repo is None
                    else download(self.origin, repo, found[2])
                )
            else:
                answer = self._git(method, path, query, headers, body)
            answer = spoil(answer, what, f"{self.origin}{path}")
            self.log.append(
                Served(
                    method=method,
                    path=target,
                    status=answer.status,
                    sent=len(answer.body),
                    authorization=headers.get("authorization"),
                    fault=what,
                )
            )
        return answer, what

    def _api(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        path = unquote(path)
        request = Request(
            root=self.api_url, path=path, query=query, headers=headers, method=method, body=body
        )
        if path == "/rate_limit":
            answer = rest.json_answer(self._rate_limit())
        elif self.used >= self.limit:
            status, message = STATUS[What.PRIMARY_LIMIT]
            answer = rest.failure(status, message)
        else:
            answer = routes.answer(self.world, request)
            self.used += answer.status != 304
        self.violations += contract.find_faults(
            path, answer.status, answer.media_type, answer.body, method=method
        )
        rate = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(0, self.limit - self.used)),
            "X-RateLimit-Used": str(self.used),
            "X-RateLimit-Reset": str(self.reset_at),
            "X-RateLimit-Resource": "core",
        }
        return Answer(
            status=answer.status,
            body=answer.body,
            media_type=answer.media_type,
            headers={**answer.headers, **rate},
        )

    def _rate_limit(self) -> dict[str, object]:
        rate = {
            "limit": self.limit,
            "used": self.used,
            "remaining": max(0, self.limit - self.used),
            "reset": self.reset_at,
        }
        return {"resources": {"core": rate, "search": rate}, "rate": rate}

    def _git(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        match = re.fullmatch(r"/([^/]+/[^/]+)\.git/(.+)", path)
        name = match[1].lower() if match else ""
        repo = self.world.find(name) or self.world.by_id(self.world.renames.get(name, 0))
        if repo is not None and repo.blocked:
            return rest.failure(403, "Repository unavailable due to DMCA takedown.")
        if match is None or repo is None or repo.private:
            # GitHub asks for a password rather than tell that a repository is not there.
            return rest.failure(401, "Not found", {"WWW-Authenticate": 'Basic realm="GitHub"'})
        if repo.full_name.lower() != name:
            location = f"{self.origin}/{repo.full_name}.git/{match[2]}?{query}"
            return Answer(status=301, headers={"Location": location})
        found = serve_git(repo.git_dir, method, match[2], query, headers, body)
        media_type = dict(found.headers).get("Content-Type", "text/plain")
        rest_headers = {name: value for name, value in found.headers if name != "Content-Type"}
        return Answer(
            status=found.status, body=found.body, media_type=media_type, headers=rest_headers
        )
