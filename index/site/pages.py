"""Templates -> pages: what every page has around its content, and how values are written in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from index.plain_text import printable

# Nothing but what the site itself brings, and no script or style within a page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)

NAVIGATION = (
    ("op/index.html", "Operators"),
    ("repo/index.html", "Repositories"),
    ("releases.html", "Releases"),
    ("verified.html", "Verified"),
    ("needed.html", "Needed"),
    ("learn/index.html", "Learn"),
    ("resources.html", "Resources"),
    ("new.html", "What is new"),
)

_UNSAFE = "".join(chr(n) for n in range(32)) + '<>:"|?*\\'


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page: its address within the site, its title, and a sentence for search engines."""

    address: str
    title: str
    about: str

    @property
    def root(self) -> str:
        """What leads from the page to the top of the site; nothing where it stands there."""
        return "../" * self.address.count("/")


def render(template: str, page: Page, **values: object) -> str:
    """Return a page as HTML; every value in it is text, whatever it holds."""
    return (
        _environment()
        .get_template(template)
        .render(page=page, root=page.root, policy=POLICY, navigation=NAVIGATION, **values)
    )


def assets() -> dict[str, bytes]:
    """Return the scripts and styles that all pages share, by name."""
    folder = resources.files("index.site").joinpath("assets")
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def op_address(op: str) -> str:
    """Return where the page of an op is."""
    return f"op/{file_name(op)}.html"


def repo_address(repo: str) -> str:
    """Return where the page of a source is: `repo/owner/name.html`, a package's `repo/pypi/`."""
    owner, _, name = repo.replace(":", "/", 1).rpartition("/")
    return f"repo/{file_name(owner.replace('/', '-')) or '-'}/{file_name(name)}.html"


def kernel_address(id: str) -> str:
    """Return where the page of a kernel is."""
    return f"kernel.html#{quote(id, safe='')}"


def search_address(**state: str) -> str:
    """Return where a search and its filters are."""
    return "index.html#" + "&".join(f"{k}={quote(v, safe='')}" for k, v in state.items())


def file_name(text: str) -> str:
    """Return a text as the name of a file on any system; letters and the like stay as they are."""
    kept = "".join(c if c not in _UNSAFE and c != "/" and c != "%" else "-" for c in text)
    return kept.strip(". ")[:120]


def _with_code(text: str) -> Markup:
    """Return text of our own with what stands between backticks set as code."""
    parts = enumerate(printable(text).split("`"))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in parts
    )


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("index.site", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    made.filters.update(
        code=_with_code,
        number=lambda value: f"{value:,}",
        op_url=op_address,
        repo_url=repo_address,
        kernel_url=kernel_address,
        short=lambda id: id.rpartition("::")[2],
        release=lambda value: value.removesuffix(".0"),
    )
    made.globals["search_url"] = search_address
    return made
