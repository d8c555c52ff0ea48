"""A GitHub-shaped server on loopback: its REST interface, git over HTTP, and faults on demand."""

from __future__ import annotations

from tests.github_server.faults import Fault, What
from tests.github_server.server import GithubServer, Served
from tests.github_server.world import HostedRepo, World

__all__ = ["Fault", "GithubServer", "HostedRepo", "Served", "What", "World"]
