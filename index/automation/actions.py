"""What GitHub Actions tells a job of itself, and how a job answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crawler.github.client import GithubClient
from crawler.github.json_fields import FULL_NAME
from crawler.github.token import Token, read_api_url, read_token
from index.errors import QueryError

_PUBLIC_SERVER = "https://github.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job of a workflow. `server` is where people see the repository; no slash at its end."""

    repo: str
    branch: str
    commit: str
    run_id: str
    server: str
    api: str
    token: Token | None
    summary: Path | None
    output: Path | None

    @property
    def run_address(self) -> str:
        """Where the run's log is."""
        return f"{self.server}/{self.repo}/actions/runs/{self.run_id}"

    @property
    def releases_address(self) -> str:
        """The folder above the files of each release, by tag."""
        return f"{self.server}/{self.repo}/releases/download"

    def client(self) -> GithubClient:
        """Return a client for GitHub's API; close it after use."""
        return GithubClient(self.api, self.token)

    def summarise(self, text: str) -> None:
        """Show Markdown on the page of the run."""
        if self.summary is not None:
            with self.summary.open("a", encoding="utf-8") as file:
                file.write(f"{text}\n")

    def put_out(self, name: str, value: str) -> None:
        """Hand a value, of one line, to the steps that follow."""
        if self.output is not None:
            with self.output.open("a", encoding="utf-8") as file:
                file.write(f"{name}={' '.join(value.split())}\n")


def read_job(environ: Mapping[str, str]) -> Job:
    """Return the job that the variables of GitHub Actions describe.

    Raises:
        QueryError: One of them is missing or cannot be what it says it is.
        SourceError: The token or the address of the API cannot be used.
    """
    token = read_token(environ)
    return Job(
        repo=_matching(environ, "GITHUB_REPOSITORY", FULL_NAME.pattern),
        branch=_matching(environ, "GITHUB_REF_NAME", r"[\x21-\x7e]{1,200}", "main"),
        commit=_matching(environ, "GITHUB_SHA", r"[0-9a-f]{40}"),
        run_id=_matching(environ, "GITHUB_RUN_ID", r"\d{1,20}", "0"),
        server=_matching(environ, "GITHUB_SERVER_URL", r"https?://[\w.:-]+", _PUBLIC_SERVER),
        api=read_api_url(environ, token),
        token=token,
        summary=_path(environ, "GITHUB_STEP_SUMMARY"),
        output=_path(environ, "GITHUB_OUTPUT"),
    )


def _matching(environ: Mapping[str, str], name: str, form: str, default: str = "") -> str:
    value = environ.get(name, "") or default
    if not re.fullmatch(form, value, re.ASCII):
        raise QueryError(
            f"{name} is {'not set' if not value else 'not what it should be'}; GitHub Actions "
            "sets it, and so must whoever runs this elsewhere"
        )
    return value


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    value = environ.get(name, "")
    return Path(value) if value else None
