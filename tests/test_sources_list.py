"""The list that ships with the project: it loads, it is tidy, and it covers the seed documents."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from crawler.models import SourceKind, SourceRepo
from crawler.snapshot.select import select_files
from crawler.sources import listed_sources, load_sources

LIST = listed_sources()

# Every repository that the four seed documents link to, by the name they use. What has moved
# since must still be found under it.
SEEDS = """
    BobMcDear/attorch cuda-mode/lectures Dao-AILab/flash-attention
    Deep-Learning-Profiling-Tools/triton-viz dtunai/triton-activations ELS-RD/kernl
    facebookresearch/xformers FlagOpen/FlagGems fpgaminer/GPTQ-triton gpu-mode/lectures
    gpu-mode/triton-index intel/intel-xpu-backend-for-triton IntelLabs/EquiTriton
    jax-ml/jax-triton kapilsh/cuda-mode-lecture linkedin/Liger-Kernel mobiusml/gemlite
    ModelTC/lightllm openai/triton pytorch-labs/applied-ai pytorch-labs/tritonbench
    shawntan/scattermoe srush/Triton-Puzzles state-spaces/mamba sustcsonglin/flash-linear-attention
    triton-lang/triton UmerHA/triton_util unslothai/unsloth vllm-project/vllm
    alexzhang13/Triton-Puzzles-Solutions
""".split()


@pytest.fixture(scope="module")
def sources() -> tuple[SourceRepo, ...]:
    return load_sources(LIST)


def test_lists_at_least_100_github_repositories(sources: tuple[SourceRepo, ...]) -> None:
    names = {source.name.casefold() for source in sources if source.kind is SourceKind.GITHUB}
    assert len(names) == len(sources) >= 100


@pytest.mark.parametrize("seed", SEEDS)
def test_lists_what_the_seeds_link_to(sources: tuple[SourceRepo, ...], seed: str) -> None:
    known = {name.casefold() for source in sources for name in (source.name, *source.formerly)}
    assert seed.casefold() in known


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cuda-mode/lectures", "gpu-mode/lectures"),
        ("FlagOpen/FlagGems", "flagos-ai/FlagGems"),
        ("microsoft/DeepSpeed", "deepspeedai/DeepSpeed"),
        ("mobiusml/gemlite", "dropbox/gemlite"),
        ("openai/triton", "triton-lang/triton"),
        ("pytorch-labs/applied-ai", "meta-pytorch/applied-ai"),
        ("pytorch-labs/tritonbench", "meta-pytorch/tritonbench"),
        ("sustcsonglin/flash-linear-attention", "fla-org/flash-linear-attention"),
    ],
)
def test_what_has_moved_stands_under_its_present_name(
    sources: tuple[SourceRepo, ...], old: str, new: str
) -> None:
    by_name = {source.name: source for source in sources}
    assert old not in by_name
    assert old in by_name[new].formerly


def test_is_sorted_by_group_then_name(sources: tuple[SourceRepo, ...]) -> None:
    keys = [(source.group or "", source.name.casefold()) for source in sources]
    assert keys == sorted(keys)


def test_groups_are_those_that_the_header_explains(sources: tuple[SourceRepo, ...]) -> None:
    header = LIST.read_text(encoding="utf-8").partition("[[repo]]\n")[0]
    explained = re.findall(r"^#   ([a-z-]+) +\S", header.partition("# Groups\n")[2], re.MULTILINE)
    assert explained == sorted({source.group for source in sources if source.group})


def test_notes_are_one_sentence_each_and_their_own(sources: tuple[SourceRepo, ...]) -> None:
    notes = [source.note or "" for source in sources]
    assert [note for note in notes if not re.fullmatch(r"[A-Z0-9][^\n]{20,140}\.", note)] == []
    assert [note for note, times in Counter(notes).items() if times > 1] == []


def test_forks_name_another_repository(sources: tuple[SourceRepo, ...]) -> None:
    forks = [source for source in sources if source.fork_of]
    assert forks
    for fork in forks:
        assert fork.fork_of not in (fork.name, *fork.formerly)
        assert "fork_of" in fork.marks


def test_patterns_leave_python_to_read(sources: tuple[SourceRepo, ...]) -> None:
    for source in sources:
        selection = select_files(source.include, source.exclude)
        within = source.include[0].strip("/") if source.include else "src"
        assert selection(f"{within}/kernel.py"), source.name
