"""Where git fetches the content of a repository that was looked at, and with whose permission."""

from __future__ import annotations

from crawler.github.client import GithubClient
from crawler.github.token import git_credentials
from crawler.snapshot.git_fetch import Remote
from crawler.states import RepoMetadata


def content_remote(client: GithubClient, metadata: RepoMetadata) -> Remote:
    """Return the remote for `open_clone`; it carries the token only to GitHub's own git host."""
    token = client.token
    return Remote(
        url=metadata.clone_url,
        settings=git_credentials(token, client.api_url, metadata.clone_url),
        redact=token.redact if token else str,
    )
