from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from identify.vendor.licenses import LICENSES

from crawler.enrich.license import HEAD_BYTES, file_license, read_licenses
from crawler.enrich.license_text import normalize_expression, read_tag, recognize_text

TEXTS = dict(LICENSES)
MIT = TEXTS["MIT"].encode()
APACHE = TEXTS["Apache-2.0"].encode()
BSD_2 = TEXTS["BSD-2-Clause"].encode()
BSD_3 = TEXTS["BSD-3-Clause"].encode()

APACHE_NOTICE = b"""# Copyright 2025 Somebody
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
import triton
"""


@pytest.mark.parametrize("spdx", ["MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC"])
def test_recognizes_a_text(spdx: str) -> None:
    assert recognize_text(TEXTS[spdx]) == spdx


@pytest.mark.parametrize(
    ("spdx", "expected"),
    [("GPL-3.0", "GPL-3.0-only"), ("AGPL-3.0", "AGPL-3.0-only"), ("LGPL-2.1", "LGPL-2.1-only")],
)
def test_a_text_of_gnu_grants_no_later_version(spdx: str, expected: str) -> None:
    assert recognize_text(TEXTS[spdx]) == expected


@pytest.mark.parametrize(
    "spdx",
    ["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "Unlicense"],
)
def test_recognizes_a_text_among_others(spdx: str) -> None:
    text = "Copyright of our project\n\n" * 40 + TEXTS[spdx] + "\n\nWords of our own.\n" * 60
    assert recognize_text(text) == spdx


@pytest.mark.parametrize("spdx", ["MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0"])
def test_recognizes_a_text_in_a_comment(spdx: str) -> None:
    lines = [" * " + line for line in TEXTS[spdx].splitlines()]
    assert recognize_text("/*\n" + "\n".join(lines) + "\n */") == spdx


def test_of_several_texts_the_first_counts() -> None:
    assert recognize_text(TEXTS["Apache-2.0"] + "\n\n" + TEXTS["MIT"]) == "Apache-2.0"
    assert recognize_text(TEXTS["MIT"] + "\n\n" + TEXTS["Apache-2.0"]) == "MIT"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Creative Commons Attribution-NonCommercial 4.0 International", "CC-BY-NC-4.0"),
        ("Creative Commons Attribution 4.0 International", "CC-BY-4.0"),
        (
            "NVIDIA Source Code License for Something\n\n1. Definitions",
            "LicenseRef-NVIDIA-Source-Code",
        ),
        ("CreativeML Open RAIL-M", "LicenseRef-OpenRAIL"),
        ("Business Source License 1.1\n\nLicensor: us", "BUSL-1.1"),
        ("All rights reserved.", None),
        ("", None),
    ],
)
def test_recognizes_by_phrases(text: str, expected: str | None) -> None:
    assert recognize_text(text) == expected


@pytest.mark.parametrize("spdx", ["MIT", "BSD-3-Clause"])
def test_a_licence_with_a_ban_is_not_that_licence(spdx: str) -> None:
    assert recognize_text(TEXTS[spdx] + "\nFor non-commercial use only.") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# SPDX-License-Identifier: Apache-2.0", "Apache-2.0"),
        ("// SPDX-License-Identifier: mit */", "MIT"),
        ("<!-- SPDX-License-Identifier: MIT OR Apache-2.0 -->", "MIT OR Apache-2.0"),
        ("SPDX-License-Identifier: MIT License", "MIT"),
        ("SPDX-License-Identifier: GPL-2.0", "GPL-2.0-only"),
        ("SPDX-License-Identifier: LicenseRef-Ours", "LicenseRef-Ours"),
        (
            "# SPDX-License-Identifier: Apache-2.0\n# SPDX-License-Identifier: MIT OR ISC",
            "Apache-2.0 AND (MIT OR ISC)",
        ),
        ("SPDX-License-Identifier: NONE", None),
        ("SPDX-License-Identifier: eval('x')", None),
        ("License: MIT", None),
    ],
)
def test_reads_a_tag(text: str, expected: str | None) -> None:
    assert read_tag(text) == expected


@pytest.mark.parametrize("text", ["", "(", "MIT AND", "MIT" * 1000, "NOASSERTION", "Other"])
def test_what_is_no_expression(text: str) -> None:
    assert normalize_expression(text) is None


HEADS = [
    ("an SPDX tag", b"# SPDX-License-Identifier: BSD-3-Clause\n", "BSD-3-Clause"),
    ("Apache's notice", APACHE_NOTICE, "Apache-2.0"),
    ("the text of MIT", b'"""' + MIT + b'"""\nimport triton', "MIT"),
    ("the name of MIT", b"# This code is licensed under the MIT license found in LICENSE\n", "MIT"),
    (
        "GNU's notice",
        b"# the terms of the GNU Lesser General Public License as published, either version 3 of\n"
        b"# the License, or (at your option) any later version.\n",
        "LGPL-3.0-or-later",
    ),
    (
        "GNU's notice for one version",
        b"# under the terms of the GNU General Public License version 2 as published\n",
        "GPL-2.0-only",
    ),
    (
        "a secret of NVIDIA's",
        b"# NVIDIA and its licensors retain all intellectual property and proprietary rights\n",
        "LicenseRef-NVIDIA-Proprietary",
    ),
    ("a pointer to the licence file", b"# licensed under the license found in LICENSE\n", "MIT"),
    (
        "a part under another licence",
        b"# This file contains code of another project. The original source code was licensed\n"
        b"# under the Apache License, Version 2.0.\n",
        "Apache-2.0 AND MIT",
    ),
    (
        "a ban beside a permissive licence",
        b"# Licensed under the MIT license, for non-commercial use only.\n",
        None,
    ),
    ("a tag that is a string", b"x = 1\nTAG = '# SPDX-License-Identifier: ISC'\n", "MIT"),
    ("nothing", b"import triton\n", "MIT"),
]


@pytest.mark.parametrize(
    ("head", "expected"), [case[1:] for case in HEADS], ids=[case[0] for case in HEADS]
)
def test_the_head_speaks_before_the_folder(head: bytes, expected: str | None) -> None:
    assert file_license("pkg/kernel.py", head, {"LICENSE": MIT}) == expected


def test_the_nearest_folder_speaks() -> None:
    licenses = {"LICENSE": MIT, "vendor/thing/LICENSE.txt": BSD_2, "licenses/LICENSE-x": APACHE}
    assert file_license("vendor/thing/deep/k.py", b"", licenses) == "BSD-2-Clause"
    assert file_license("vendor/k.py", b"", licenses) == "MIT"
    assert file_license("vendor/k.py", b"", {}, "Apache-2.0") == "Apache-2.0"
    assert file_license("vendor/k.py", b"", {}) is None


def test_licences_side_by_side_are_a_choice() -> None:
    licenses = {"LICENSE-MIT": MIT, "LICENSE-APACHE": APACHE}
    assert file_license("k.py", b"", licenses) == "MIT OR Apache-2.0"


def test_the_main_licence_comes_before_those_of_third_parties() -> None:
    licenses = {"LICENSE": BSD_3, "LICENSE-THIRD-PARTY": APACHE, "COPYING": MIT}
    assert file_license("k.py", b"", licenses) == "BSD-3-Clause"
    assert read_licenses({"LICENSE-third-party.txt": APACHE, "license_header.txt": MIT}) == {}


def test_lesser_comes_before_what_it_builds_on() -> None:
    licenses = {
        name: TEXTS[f"{x}-3.0"].encode()
        for name, x in (("COPYING", "GPL"), ("COPYING.LESSER", "LGPL"))
    }
    assert file_license("k.py", b"", licenses) == "LGPL-3.0-only"


def test_a_text_that_is_not_known_hides_what_is_above_it() -> None:
    licenses = {"LICENSE": MIT, "other/LICENSE": b"Ask us first."}
    assert file_license("other/k.py", b"", licenses, "MIT") is None


def test_at_the_root_somebody_else_may_know_better() -> None:
    assert file_license("k.py", b"", {"LICENSE": b"Ask us first."}, "Zlib") == "Zlib"
    assert file_license("k.py", b"", {"LICENSE": b"Ask us first."}, "NOASSERTION") is None


def test_a_wheel_carries_its_licence_in_its_metadata() -> None:
    assert file_license("pkg/k.py", b"", {"pkg-1.0.dist-info/licenses/LICENSE": MIT}) == "MIT"
    metadata = b"Metadata-Version: 2.4\nName: pkg\nLicense-Expression: MIT OR ISC\n\n"
    assert file_license("pkg/k.py", b"", {"pkg-1.0.dist-info/METADATA": metadata}) == "MIT OR ISC"


def test_a_notebook_has_no_header() -> None:
    head = b'{"cells": [{"source": ["# SPDX-License-Identifier: ISC"]}]}'
    assert file_license("a.ipynb", head, {"LICENSE": MIT}) == "MIT"


def test_only_the_head_is_read() -> None:
    late = b"#\n" * HEAD_BYTES + b"# SPDX-License-Identifier: ISC\n"
    assert file_license("k.py", late, {}) is None


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_error(data: bytes) -> None:
    file_license("k.py", b"# SPDX-License-Identifier: " + data, {"LICENSE": data})


def test_a_licence_of_functional_source_is_no_mit() -> None:
    text = "# Functional Source License, Version 1.1, MIT Future License\n\nFSL-1.1-MIT"
    assert recognize_text(text + "\n\n" + TEXTS["MIT"]) == "FSL-1.1-MIT"
