from __future__ import annotations

from scripts.offline_sources import LISTED, PACKAGES, offline_entries


def test_an_entry_is_crawled_as_a_clone_else_as_a_package() -> None:
    listed = [
        {"name": "Acme/Kernels", "marks": ["generated"], "exclude": ["a/"]},
        {"name": "vllm-project/vllm", "note": "Serves.", "formerly": ["old/vllm"]},
        {"name": "acme/absent"},
    ]
    assert list(offline_entries(listed, {"acme/kernels": "/clones/kernels"})) == [
        (listed[0] | {"name": "Acme/Kernels=/clones/kernels"}, True),
        ({"name": "pypi:vllm", "note": "Serves."}, True),
        ({"name": "acme/absent"}, False),
    ]


def test_packages_stand_for_listed_repositories() -> None:
    text = LISTED.read_text()
    assert [name for name in PACKAGES if f'name = "{name}"' not in text] == []
