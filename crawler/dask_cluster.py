"""A `dask.distributed` cluster as a place to crawl; needs the extra `dask`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from crawler.cluster import ClusterError

CONNECT_SECONDS = 20.0
WORKERS_SECONDS = 60.0


class DaskCluster:
    """The cluster behind a client; its workers may come and go."""

    def __init__(self, client: Any) -> None:
        self._client = client
        # Two crawls of a source are not the same call, whatever their arguments.
        self.executor: Executor = client.get_executor(pure=False)

    def width(self) -> int:
        """Return how many threads its workers have together."""
        return sum(map(int, self._client.nthreads().values()))


@contextmanager
def dask_cluster(address: str) -> Iterator[DaskCluster]:
    """Yield the cluster whose scheduler is at `address`, such as `tcp://host:8786`.

    Raises:
        ClusterError: Dask is not installed, nobody answers there, or there is no worker.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ClusterError(
            "--dask needs the package dask.distributed; install triton-index[dask]"
        ) from error
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ClusterError(
            f"{address}: no Dask scheduler answers there; give its address as tcp://HOST:8786"
        ) from error
    try:
        try:
            client.wait_for_workers(1, timeout=WORKERS_SECONDS)
        except TimeoutError as error:
            raise ClusterError(
                f"{address}: the cluster has no worker; start one with `dask worker {address}`"
            ) from error
        yield DaskCluster(client)
    finally:
        client.close(timeout=1)
