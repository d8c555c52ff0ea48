"""What machines read first: the site map, and the outline for language models (llmstxt.org)."""

from __future__ import annotations

from html import escape
from urllib.parse import quote, urljoin

from index.site.folder import SiteFolder
from index.site.kernels import Kernels
from index.site.pages import op_address

_PAGES = (
    ("op/index.html", "Operators", "each with its kernels, and why they are ranked so"),
    ("repo/index.html", "Repositories", "each source with what it holds"),
    ("releases.html", "Releases of Triton", "what came, what went, what replaces it"),
    ("verified.html", "Verified kernels", "held to PyTorch, with timings"),
    ("needed.html", "Needed", "wishes, and operators that no kernel serves"),
    ("learn/index.html", "Learn", "what to read and try, by stage"),
    ("resources.html", "Resources", "articles, papers, videos, tools, courses"),
    ("new.html", "What is new", "the latest crawls"),
)
_DATA = (
    ("data/kernels.parquet", "All kernels", "every field of the record, no code"),
    ("data/schema.json", "Fields", "the name, type and meaning of each"),
    ("feed.atom", "Feed", "what each crawl changed"),
)


def write_outlines(folder: SiteFolder, kernels: Kernels, base_url: str | None) -> None:
    """Write `llms.txt`, and with `base_url` what tells crawlers of all pages."""
    folder.write("llms.txt", _llms(kernels, base_url or ""))
    if base_url is None:
        return
    urls = (escape(urljoin(base_url, quote(page))) for page in sorted(folder.pages))
    body = "".join(f"<url><loc>{url}</loc></url>" for url in urls)
    folder.write(
        "sitemap.xml",
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{body}</urlset>\n',
    )
    sitemap = urljoin(base_url, "sitemap.xml")
    folder.write("robots.txt", f"User-agent: *\nAllow: /\nSitemap: {sitemap}\n")


def _llms(kernels: Kernels, home: str) -> str:
    def links(rows: tuple[tuple[str, str, str], ...]) -> list[str]:
        return [f"- [{name}]({urljoin(home, address)}): {about}" for address, name, about in rows]

    ops = [
        f"- [{op}]({urljoin(home, quote(op_address(op).removesuffix('html') + 'md'))}): "
        f"{len(found)} kernels"
        for op, found in kernels.by_op.items()
    ]
    return "\n".join(
        [
            "# triton-index",
            "",
            f"> {len(kernels.all):,} open Triton kernels of {len(kernels.by_repo):,} sources: what "
            "each computes, under which licence, which releases of Triton it runs on.",
            "",
            "To find a kernel for an operation, read its page below. `triton-index get ID` prints "
            "a kernel as one file; `triton-index mcp` serves the same facts to agents.",
            "",
            "## Operators",
            "",
            *ops,
            "",
            "## Pages",
            "",
            *links(_PAGES),
            "",
            "## Optional",
            "",
            *links(_DATA),
            "",
        ]
    )
