"""How a kernel is made: which features of the vocabulary in `features.toml` it has."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import msgspec

from crawler.enrich.feature_checks import CHECKS
from crawler.enrich.words import words_of
from crawler.models import KernelRecord, ParamKind

_ROOT = re.compile(
    r"triton\.(?:experimental\.gluon\.language|language)\.(?:(?:core|standard|random)\.)?"
)
MAX_SOURCE = 200_000
"""Characters of a kernel that the rules look at; none written by a person is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Conditions, one of which must hold. `key` names the rule among all of them."""

    key: str
    calls: re.Pattern[str] | None
    keywords: frozenset[tuple[str, str]]
    params: re.Pattern[str] | None
    configs: re.Pattern[str] | None
    words: frozenset[str]
    decorators: frozenset[str]
    kinds: frozenset[ParamKind]
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """A feature, what it means, its rule, and what is needed besides."""

    name: str
    about: str
    rule: Rule
    needs: Rule | None


class _Conditions(msgspec.Struct, forbid_unknown_fields=True):
    calls: tuple[str, ...] = ()
    keywords: dict[str, tuple[str, ...]] = {}
    params: tuple[str, ...] = ()
    configs: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    decorators: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()


class _Entry(_Conditions, forbid_unknown_fields=True, kw_only=True):
    about: str
    needs: _Conditions | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What the rules look at, gathered once a kernel."""

    matched: frozenset[str]
    """The keys of the rules whose patterns match a call, a parameter or a configuration."""
    keywords: frozenset[tuple[str, str]]
    kinds: frozenset[ParamKind]
    words: frozenset[str]
    decorators: frozenset[str]
    sources: tuple[str, ...]


def features_of(kernel: KernelRecord, called: Iterable[KernelRecord] = ()) -> tuple[str, ...]:
    """Return the features of a kernel in the order of the vocabulary.

    Args:
        kernel: the kernel.
        called: the jit functions that it calls, directly or not; what they do, it does. Their
            parameters and names are their own.
    """
    facts = _facts(kernel, tuple(called))
    return tuple(
        feature.name
        for feature in feature_vocabulary()
        if _holds(feature.rule, facts) and (feature.needs is None or _holds(feature.needs, facts))
    )


@cache
def feature_vocabulary() -> tuple[Feature, ...]:
    """Return the vocabulary that the package carries; it is read once."""
    text = resources.files("crawler").joinpath("data", "features.toml").read_text(encoding="utf-8")
    return parse_feature_vocabulary(tomllib.loads(text))


def parse_feature_vocabulary(data: Mapping[str, Any]) -> tuple[Feature, ...]:
    """Return the vocabulary that parsed TOML describes.

    Raises:
        ValueError: an entry is malformed or names a check that does not exist.
    """
    entries = msgspec.convert(data, dict[str, _Entry])
    return tuple(
        Feature(
            name=name,
            about=entry.about,
            rule=_rule(name, entry),
            needs=None if entry.needs is None else _rule(f"{name} needs", entry.needs),
        )
        for name, entry in entries.items()
    )


def _rule(name: str, given: _Conditions) -> Rule:
    for check in given.checks:
        if check not in CHECKS:
            raise ValueError(f"the feature {name} names the check {check}, which does not exist")
    return Rule(
        key=name,
        calls=_globs(given.calls),
        keywords=frozenset((api, word) for api, words in given.keywords.items() for word in words),
        params=_globs(given.params),
        configs=_globs(given.configs),
        words=frozenset(given.words),
        decorators=frozenset(given.decorators),
        kinds=frozenset(ParamKind(kind) for kind in given.kinds),
        checks=given.checks,
    )


def _globs(patterns: Collection[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(translate(pattern) for pattern in patterns)) if patterns else None


@lru_cache(maxsize=65536)
def _short(api_name: str) -> str:
    return _ROOT.sub("", api_name, count=1)


def _facts(kernel: KernelRecord, called: tuple[KernelRecord, ...]) -> _Facts:
    uses = [use for each in (kernel, *called) for use in each.uses]
    configs = kernel.autotune.configs if kernel.autotune else ()
    options = {name for config in configs for name, _ in (*config.kwargs, *config.options)}
    matched: set[str] = set()
    for name in {use.name for use in uses}:
        matched |= _matching("calls", _short(name))
    for param in kernel.params:
        if "stride" not in words_of(param.name):
            matched |= _matching("params", _bare(param.name))
    for option in options:
        matched |= _matching("configs", option.lower())
    return _Facts(
        matched=frozenset(matched),
        keywords=frozenset(
            (_short(use.name).rpartition(".")[2], word) for use in uses for word in use.keywords
        ),
        kinds=frozenset(param.kind for param in kernel.params),
        words=frozenset(words_of(kernel.name)),
        decorators=frozenset(word for text in kernel.decorators for word in _decorator_words(text)),
        sources=tuple(each.source[:MAX_SOURCE] for each in (kernel, *called)),
    )


@lru_cache(maxsize=65536)
def _matching(place: str, name: str) -> frozenset[str]:
    """Return the keys of the rules whose pattern for this place matches the name."""
    found = set()
    for feature in feature_vocabulary():
        for rule in (feature.rule, feature.needs):
            pattern = None if rule is None else getattr(rule, place)
            if rule is not None and pattern is not None and pattern.match(name):
                found.add(rule.key)
    return frozenset(found)


@lru_cache(maxsize=65536)
def _bare(param: str) -> str:
    return param.lower().removesuffix("_ptr").removesuffix("_pointer").strip("_")


@lru_cache(maxsize=4096)
def _decorator_words(text: str) -> tuple[str, ...]:
    """Return the words of what is called: `triton`, `autotune` of `triton.autotune(...)`."""
    return words_of(text.partition("(")[0])


def _holds(rule: Rule, facts: _Facts) -> bool:
    return (
        rule.key in facts.matched
        or not rule.words.isdisjoint(facts.words)
        or not rule.decorators.isdisjoint(facts.decorators)
        or not rule.keywords.isdisjoint(facts.keywords)
        or not rule.kinds.isdisjoint(facts.kinds)
        or (bool(rule.checks) and _checked(rule.checks, facts.sources))
    )


def _checked(checks: tuple[str, ...], sources: tuple[str, ...]) -> bool:
    return any(CHECKS[check](source) for check in checks for source in sources)
