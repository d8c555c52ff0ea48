"""Issues of every kind that people write, made from a seed: what they say, and what must be read.

A kind is a function from a random generator to a title, a body and what is expected of it. To add
a kind, write its function and put it in `KINDS`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.wishlist.written import NOTHING, rendered
from wishlist.vocabulary import Field, wish_vocabulary

OPS = {
    "RMSNorm": "rms_norm",
    "softmax": "softmax",
    "layer norm": "layer_norm",
    "RoPE": "rope",
    "cross entropy loss": "cross_entropy",
    "SwiGLU": "swiglu",
    "grouped GEMM": "grouped_gemm",
    "torch.cumsum": "cumsum",
    "paged attention": "paged_attention",
    "F.gelu": "gelu",
    "conv2d": "conv2d",
    "top-k": "topk",
}
HOSTILE_TITLES = (
    "softmax'; DROP TABLE wishes; --",
    "softmax $(touch /tmp/owned) `id` && reboot",
    "../../etc/passwd softmax",
    "<script>alert('softmax')</script>",
    "softmax \x1b]0;owned\x07\x1b[31m",
    "\u202esoftmax\u2066",
    "softmax @everyone #1 [x](javascript:1)",
    "=HYPERLINK(1) softmax | cell",
    "softmax %s {0} \\x00 ${HOME}",
    "🚀🔥 softmax 🎉",
    "\ud800 softmax",
)


@dataclass(frozen=True, kw_only=True)
class Written:
    """An issue to write. `op` must be among the ops that are read of it; None: it is no wish.

    `notes` are fields of which something must be noted. `facts` go to the tracker.
    """

    title: str
    body: str | None
    op: str | None
    notes: frozenset[str] = frozenset()
    facts: Mapping[str, Any] = field(default_factory=dict)
    operation: str | None = None


Kind = Callable[[random.Random], Written]


def _answers(rng: random.Random) -> tuple[dict[str, str], str]:
    name, op = rng.choice(list(OPS.items()))
    answers = {
        "operation": name,
        "reference": "```python\ny = f(x)\n```",
        "passes": rng.choice(("forward", "forward, backward", NOTHING)),
        "dtypes": rng.choice(("float16, bfloat16", "float8", NOTHING)),
        "shapes": f"[{rng.randrange(1, 9999)}, 4096]",
        "hardware": rng.choice(("NVIDIA Hopper", "any", "AMD CDNA, NVIDIA Ada")),
        "why": rng.choice(("training", "It is slow.\n\nVery.", NOTHING)),
        "help": rng.choice(("- [x] I can write, test or time it.", "- [ ] I can")),
    }
    return answers, op


def plain_form(rng: random.Random) -> Written:
    answers, op = _answers(rng)
    return Written(title="[Wish] it", body=rendered(**answers), op=op)


def reordered(rng: random.Random) -> Written:
    answers, op = _answers(rng)
    labels = wish_vocabulary().labels
    order = rng.sample(list(Field), len(Field))
    body = "\n\n".join(f"### {labels[one]}\n\n{answers[one.value]}" for one in order)
    return Written(title="it", body=body, op=op, operation=answers["operation"])


def translated(rng: random.Random) -> Written:
    answers, op = _answers(rng)
    names = rng.choice(
        (
            ("算子", "参考实现", "方向", "数据类型", "形状", "硬件", "为什么", "帮助"),
            ("Operación", "Referencia", "Pases", "Tipos de datos", "Formas", "GPU", "Motivación",
             "Ayuda"),
            ("Toiminto", "Viite", "Suunnat", "Tyypit", "Muodot", "Laitteisto", "Miksi", "Apu"),
        )
    )  # fmt: skip
    values = (answers[one.value] for one in Field)
    body = "\n\n".join(f"### {name}\n\n{value}" for name, value in zip(names, values, strict=True))
    return Written(title="it", body=body, op=op, operation=answers["operation"])


def missing_fields(rng: random.Random) -> Written:
    answers, op = _answers(rng)
    labels = wish_vocabulary().labels
    kept = [Field.OPERATION, *rng.sample(list(Field)[1:], rng.randrange(4))]
    body = "\n\n".join(f"### {labels[one]}\n\n{answers[one.value]}" for one in kept)
    return Written(title="it", body=body, op=op, operation=answers["operation"])


def fenced_headings(rng: random.Random) -> Written:
    answers, op = _answers(rng)
    fence = rng.choice(("```", "~~~", "````python"))
    code = f"{fence}\n### Operation\n\nevil\n\n### Passes\n\nsideways\n{fence.rstrip('python')}"
    answers[rng.choice(("reference", "why", "shapes"))] = code
    return Written(title="it", body=rendered(**answers), op=op, operation=answers["operation"])


def hidden_headings(rng: random.Random) -> Written:
    answers, op = _answers(rng)
    hidden = rng.choice(
        (
            "<!--\n### Operation\n\nevil\n-->\n\n",
            "<!-- ### Operation -->\n\n",
            "text <!--\n\n### Operation\n\nevil\n\n-->\n\n",
            "<!--\n```\n### Operation\nevil\n-->\n\n",
        )
    )
    body = hidden + rendered(**answers)
    return Written(title="it", body=body, op=op, operation=answers["operation"])


def hidden_end(rng: random.Random) -> Written:
    answers, op = _answers(rng)
    body = f"{rendered(**answers)}\n\n<!--\n\n### Operation\n\nevil"
    return Written(title="it", body=body, op=op, operation=answers["operation"])


def doubled(rng: random.Random) -> Written:
    answers, op = _answers(rng)
    body = f"{rendered(**answers)}\n\n### Operation\n\nevil"
    notes = frozenset({"operation"})
    operation = answers["operation"]
    return Written(title="it", body=body, op=op, operation=operation, notes=notes)


def odd_answers(rng: random.Random) -> Written:
    answers, op = _answers(rng)
    answers |= {"passes": "sideways", "dtypes": "float7", "hardware": "a toaster"}
    notes = frozenset({"passes", "dtypes", "hardware"})
    return Written(title="it", body=rendered(**answers), op=op, notes=notes)


def unknown_op(rng: random.Random) -> Written:
    body = rendered(operation=f"frobnicate {rng.randrange(99)}")
    return Written(title="it", body=body, op="", notes=frozenset({"operation"}))


def emoji(rng: random.Random) -> Written:
    answers, op = _answers(rng)
    body = rendered(**answers).replace("### ", "### 🚀 ")
    return Written(title="🎉 it 🎉", body=body, op=op, operation=answers["operation"])


def sixty_kilobytes(rng: random.Random) -> Written:
    answers, op = _answers(rng)
    answers["why"] = rng.choice(("x " * 30_000, "🚀" * 15_000, ">" * 60_000, "- [ ] a\n" * 7_500))
    return Written(
        title="it",
        body=rendered(**answers)[:65_536],
        op=op,
        operation=answers["operation"],
        notes=frozenset({"why"}),
    )


def crlf(rng: random.Random) -> Written:
    answers, op = _answers(rng)
    body = rendered(**answers).replace("\n", "\r\n")
    return Written(title="it", body=body, op=op, operation=answers["operation"])


def null_bytes(rng: random.Random) -> Written:
    answers, op = _answers(rng)
    body = rendered(**answers).replace("### ", "#\0## ").replace("a", "a\0")
    return Written(title="i\0t", body=body, op=op, operation=answers["operation"])


def html(rng: random.Random) -> Written:
    answers, op = _answers(rng)
    answers["why"] = rng.choice(
        (
            "<script>\n### Operation\n</script>",
            "<details><summary>more</summary>\n\nb\n\n</details>",
            "<img src=x onerror=alert(1)>",
            "<style>\n### Passes\n</style>\n\ntext",
        )
    )
    return Written(title="<b>it</b>", body=rendered(**answers), op=op)


def free_form(rng: random.Random) -> Written:
    name, op = rng.choice([pair for pair in OPS.items() if "." not in pair[0]])
    title = rng.choice(("{} kernel, please", "Please add {}", "[Request] {}", "need {} for H100"))
    body = rng.choice(("", None, "We use it a lot.", "see #3\n\n> quote", "```\ncode\n```"))
    return Written(title=title.format(name), body=body, op=op, notes=frozenset({"body"}))


def old_style(rng: random.Random) -> Written:
    name, op = rng.choice(list(OPS.items()))
    body = rng.choice(
        (
            f"**Operation**: {name}\n**dtypes**: bf16\n\nthanks",
            f"## Kernel\n{name}\n## Motivation\nspeed",
            f"# Which kernel\n\n{name}",
            f"Operation: {name}\nHardware: MI300X",
        )
    )
    return Written(title="hello", body=body, op=op, operation=name)


def hostile(rng: random.Random) -> Written:
    title = rng.choice(HOSTILE_TITLES)
    answers, op = _answers(rng)
    answers["why"] = rng.choice(HOSTILE_TITLES)
    return Written(title=title, body=rendered(**answers), op=op)


def pull_request(rng: random.Random) -> Written:
    body = f"Closes #{rng.randrange(1, 50)}"
    return Written(title="softmax kernel", body=body, op=None, facts={"is_pull": True})


def something_else(rng: random.Random) -> Written:
    label = rng.choice(("bug", "documentation", "propose-repository", "question"))
    return Written(title="softmax", body="softmax", op=None, facts={"labels": [label]})


def chatter(rng: random.Random) -> Written:
    title = rng.choice(("hello", "Thanks!", "???", "测试", "Roadmap 2027", "\0", ""))
    return Written(title=title, body=rng.choice((None, "", "hi", "\0\0")), op=None)


def trouble(rng: random.Random) -> Written:
    title = rng.choice(("softmax crashes", "Error in rms norm", "RoPE is broken"))
    return Written(title=title, body="It fails.", op=None)


KINDS: Sequence[Kind] = (
    plain_form,
    reordered,
    translated,
    missing_fields,
    fenced_headings,
    hidden_headings,
    hidden_end,
    doubled,
    odd_answers,
    unknown_op,
    emoji,
    sixty_kilobytes,
    crlf,
    null_bytes,
    html,
    free_form,
    old_style,
    hostile,
    pull_request,
    something_else,
    chatter,
    trouble,
)


def write_issues(seed: int, count: int) -> list[tuple[str, Written]]:
    """Return so many issues, of every kind in turn, with the names of their kinds."""
    rng = random.Random(seed)
    return [
        (kind.__name__, kind(rng))
        for kind in (KINDS[number % len(KINDS)] for number in range(count))
    ]
