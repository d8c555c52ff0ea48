"""Whom a file credits: the repositories that it names, and whose copyright it bears."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

MAX_TEXT = 8_000
MAX_SENTENCES = 8
MIN_NAME = 4
"""Letters of a repository's name that tell it in a sentence without its owner."""

_URL = re.compile(r"github(?:usercontent)?\.com[/:]([\w.-]{1,39})/([\w.-]{1,100})", re.IGNORECASE)
_CREDIT = re.compile(
    r"\b(?:adapt(?:ed|s)?|adopted|borrow(?:ed|s)?|cop(?:y|ied|ies)|derived|modif(?:y|ied)|port(?:ed)?"
    r"|taken|forked|vendored|based|credits?|courtesy|originally)\b([^\n]{0,160}(?:\n[^\n]{0,120})?)",
    re.IGNORECASE,
)
_HOLDER = re.compile(
    r"copyright\b[\s:]*(?:\(c\)|©)?[\s\[\](),\d-]*(?:present\b)?[\s,]*([^\n]{3,120})", re.IGNORECASE
)
_NOISE = re.compile(
    r"all rights reserved|\(c\)|©|[\d\[\](),.;:#*\"']+|\b(?:by|the|inc|llc|ltd|co)\b"
)
_SEPARATORS = re.compile(r"[\s_/-]+")
_GENERIC = frozenset(
    "triton kernel kernels tutorials torch python cuda attention benchmarks".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credits:
    """What a text says of where it is from, in lower case.

    `repos` are `owner/name`; `sentences` follow words of credit, and `sources` are the repositories
    whose addresses stand in them; `holder` is the first holder of a copyright, without years.
    """

    repos: frozenset[str] = frozenset()
    sources: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    holder: str | None = None

    def names(self, repo: str) -> bool:
        """Tell whether the text names a repository: by its address, or in a sentence of credit.

        Addresses count with their owner, whose forks are others; packages have none.
        """
        name = plain_name(repo)
        if repo.lower() in self.repos:
            return True
        if ":" in repo and any(name == plain_name(url) for url in self.repos):
            return True
        return self.says(repo)

    def says(self, repo: str) -> bool:
        """Tell whether a sentence of credit has the name of a repository."""
        name = plain_name(repo)
        if len(name) < MIN_NAME or name in _GENERIC:
            return False
        return any(f" {name} " in sentence for sentence in self.sentences)


NOBODY = Credits()


def read_credits(text: str) -> Credits:
    """Return whom the beginning of a file, or the documentation of a kernel, credits."""
    text = text[:MAX_TEXT]
    credits = _CREDIT.findall(text)[:MAX_SENTENCES]
    sentences = [_plain(_URL.sub(" ", found)) for found in credits]
    holder = _HOLDER.search(text)
    return Credits(
        repos=frozenset(_addresses(text)),
        sources=tuple(dict.fromkeys(name for found in credits for name in _addresses(found))),
        sentences=tuple(f" {sentence} " for sentence in sentences),
        holder=_holder(holder[1]) if holder else None,
    )


def _addresses(text: str) -> list[str]:
    """Return the repositories whose addresses stand in a text, in lower case."""
    return [
        f"{owner}/{name}".lower().rstrip(".").removesuffix(".git")
        for owner, name in _URL.findall(text)
    ]


def plain_name(repo: str) -> str:
    """Return the name of a repository or package as sentences are compared with it."""
    return _plain(re.split(r"[/:]", repo)[-1])


class CreditBook:
    """What the files of all sources say of each other."""

    def __init__(
        self,
        heads: Iterable[tuple[str, str, str]],
        copiers: Collection[str] = (),
        repos: Collection[str] = (),
    ) -> None:
        """Read the beginnings of files: repository, path and text of each.

        `copiers` are repositories that mostly copy: no copyright holder is at home there. `repos`
        are sources that may be named, also without heads of their own.
        """
        self._credits = {(repo, path): read_credits(text) for repo, path, text in heads}
        holders: dict[str, Counter[str]] = defaultdict(Counter)
        debtors: dict[str, set[str]] = defaultdict(set)
        for (repo, _), found in self._credits.items():
            if found.holder is not None:
                holders[repo][found.holder] += 1
            for name in found.repos - {repo.lower()}:
                debtors[name].add(repo)
        self._debtors = debtors
        self._repos = _by_first_word(
            {name for name in (*repos, *(repo for repo, _ in self._credits)) if ":" not in name}
        )
        self._sources: dict[tuple[str, str, frozenset[str]], str | None] = {}
        self._holder = {repo: counts.most_common(1)[0][0] for repo, counts in holders.items()}
        files: dict[str, Counter[str]] = defaultdict(Counter)
        for repo, counts in holders.items():
            if repo not in copiers:
                for holder, count in counts.items():
                    files[holder][repo] = count
        self._homes = {holder: _first(repos) for holder, repos in files.items()}

    def of(self, repo: str, path: str) -> Credits:
        """Return whom a file credits."""
        return self._credits.get((repo, path), NOBODY)

    def home(self, repo: str, path: str) -> str | None:
        """Return the repository of the copyright holder of a file, None if it is its own.

        That is where most files of this holder are; one that owns most files here is at home here.
        """
        holder = self.of(repo, path).holder
        if holder is None or holder == self._holder.get(repo):
            return None
        return self._homes.get(holder)

    def source(self, repo: str, path: str, former: Collection[str] = ()) -> str | None:
        """Return another repository that a file says it is from, None without any.

        Its address tells, or the name of one of the sources in a sentence of credit.
        """
        # All kernels of a file ask the same.
        asked = (repo, path, frozenset(name.lower() for name in (repo, *former)))
        if asked not in self._sources:
            self._sources[asked] = self._source(*asked)
        return self._sources[asked]

    def _source(self, repo: str, path: str, own: Collection[str]) -> str | None:
        credits, own_name = self.of(repo, path), plain_name(repo)
        for name in credits.sources:
            if name not in own and not (":" in repo and plain_name(name) == own_name):
                return name
        words = {word for sentence in credits.sentences for word in sentence.split()}
        said = (
            name
            for word in words
            for plain, name in self._repos.get(word, ())
            if plain != own_name and credits.says(name)
        )
        return min(said, default=None)

    def credited(self, repo: str) -> int:
        """Return how many other repositories have files that name this one."""
        return len(self._debtors.get(repo.lower(), ()))


def _first(repos: Counter[str]) -> str | None:
    """Return the repository that is ahead of all others, if one is."""
    (name, most), *others = repos.most_common(2)
    return name if not others or others[0][1] < most else None


def _by_first_word(repos: Iterable[str]) -> Mapping[str, Sequence[tuple[str, str]]]:
    """Return the repositories with their plain names, by the first word of these."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name in repos:
        plain = plain_name(name)
        found[plain.partition(" ")[0]].append((plain, name))
    return found


def _plain(text: str) -> str:
    return _SEPARATORS.sub(" ", re.sub(r"[^\w\s/-]+", " ", text.lower())).strip()


def _holder(text: str) -> str | None:
    return _SEPARATORS.sub(" ", _NOISE.sub(" ", text.lower())).strip() or None
