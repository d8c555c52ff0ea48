"""What one file says by itself, before it is linked with the rest of its snapshot.

Facts depend on the bytes of the file alone, so they are cached by blob id. An expression that may
lead to a kernel is kept as a `Value`: a small tree of names that the linker can follow through
imports into other files. Everything here serialises to JSON (msgspec) and back unchanged.
"""

from __future__ import annotations

import msgspec

from crawler.models import Autotune, Param, UseKind


class Import(msgspec.Struct, frozen=True, array_like=True, tag="import"):
    """A name that an import binds: `from <level dots><module> import <name>`; `import a.b` is `a`.

    `name` is None for the module itself.
    """

    level: int
    module: str
    name: str | None = None


class Global(msgspec.Struct, frozen=True, array_like=True, tag="global"):
    """A name of this file's module scope, used at `line` under the branches of `arms`.

    `line` is None where the use runs later than the module's body (inside a function).
    """

    name: str
    line: int | None = None
    arms: tuple[int, ...] = ()


class Attribute(msgspec.Struct, frozen=True, array_like=True, tag="attribute"):
    """`base.name`."""

    base: Value
    name: str


class Subscript(msgspec.Struct, frozen=True, array_like=True, tag="subscript"):
    """`base[...]`: a grid, or an element of a table."""

    base: Value


class Call(msgspec.Struct, frozen=True, array_like=True, tag="call"):
    """`callee(*args)`; `args` are the positional ones and those passed as `fn=` or `func=`."""

    callee: Value
    args: tuple[Value, ...] = ()


class Function(msgspec.Struct, frozen=True, array_like=True, tag="function"):
    """A function that this file defines, by its place in `FileFacts.functions`."""

    index: int


class Class(msgspec.Struct, frozen=True, array_like=True, tag="class"):
    """A class that this file defines, by its place in `FileFacts.classes`."""

    index: int


class Parameter(msgspec.Struct, frozen=True, array_like=True, tag="parameter"):
    """A parameter of a function that this file defines."""

    index: int
    name: str


class Choice(msgspec.Struct, frozen=True, array_like=True, tag="choice"):
    """One of several: `a if c else b`, `a or b`, a name bound on several branches, a table."""

    options: tuple[Value, ...]


class Plain(msgspec.Struct, frozen=True, array_like=True, tag="plain"):
    """A constant of Python's: a number, a text, arithmetic of them. `is_constexpr` by annotation.

    An annotation that is kept as text (`from __future__ import annotations`) makes none.
    """

    is_constexpr: bool = False


class Unknown(msgspec.Struct, frozen=True, array_like=True, tag="unknown"):
    """Anything that cannot be followed."""


Value = (
    Import
    | Global
    | Attribute
    | Subscript
    | Call
    | Function
    | Class
    | Parameter
    | Choice
    | Plain
    | Unknown
)
UNKNOWN = Unknown()
ARMS = 8
WHOLE = -1
"""The place of what a function gives back where it is no tuple."""


class Binding(msgspec.Struct, frozen=True, array_like=True):
    """`name = value` in the module scope; `arms` are the branches it stands in, outermost first.

    An arm is `ARMS * statement + number`: two arms of one `if` share the statement, so that a use
    in one of them is known never to see a binding made in the other.
    """

    value: Value
    line: int
    arms: tuple[int, ...] = ()


class Use(msgspec.Struct, frozen=True, array_like=True):
    """A dotted name that a kernel uses, followed from its root, and how.

    `path` is what follows the root: `tl.math.exp` is root `tl`, path `("math", "exp")`. The rest is
    as in `ApiUse`; uses that differ in their places alone are one.
    """

    root: Value
    path: tuple[str, ...]
    keywords: tuple[str, ...] = ()
    is_call: bool = True
    guards: tuple[str, ...] = ()
    kind: UseKind = UseKind.NAME
    args: tuple[str, ...] | None = None
    unpacked: int = 0
    places: tuple[tuple[int, int], ...] = ()


class Pass(msgspec.Struct, frozen=True, array_like=True):
    """A parameter that a kernel hands to a function: by position, or by keyword.

    `address` tells which element of what the function gives back is used as an address: its place
    in the tuple, or `WHOLE`; None if it is not.
    """

    root: Value
    path: tuple[str, ...]
    place: int | str
    param: str
    address: int | None = None


class KernelFacts(msgspec.Struct, frozen=True, array_like=True):
    """A function that is, or may be, a kernel. Lines are those of the file (or joined notebook)."""

    start_line: int
    def_line: int
    end_line: int
    docstring: str | None
    params: tuple[Param, ...]
    decorators: tuple[str, ...]
    autotune: Autotune | None
    heuristics: tuple[str, ...]
    uses: tuple[Use, ...]
    passes: tuple[Pass, ...]
    methods: tuple[str, ...]
    """Names called as `<something>.name(...)` where the something is not a module."""
    returns_value: bool
    source: str
    numbers: tuple[str, ...] = ()
    """Parameters without a kind that the body computes with as numbers, or tiles of them."""
    given_back: tuple[tuple[int, str], ...] = ()
    """Parameters that what is returned starts from: `x` in `return x + offset`; each with the place
    of it in the tuple, or `WHOLE`."""
    methods_of: tuple[str, ...] = ()
    """Parameters without another kind whose methods `load` or `store` are called."""
    annotations: tuple[tuple[str, Value], ...] = ()
    """What annotations of parameters without a kind stand for, where they are names."""


class Described(msgspec.Struct, frozen=True, array_like=True):
    """What a definition says of itself; lines are those of the file, decorators included.

    `signature` has no values but plain ones; `doc` is the beginning of its docstring, `doc_chars`
    the length of all of it.
    """

    signature: str
    line: int
    end_line: int
    doc: str | None = None
    doc_chars: int = 0


class FunctionFacts(msgspec.Struct, frozen=True, array_like=True):
    """A function definition. `returns` are the values its return statements can give.

    `arguments` are what a call of it must give, as a call writes them; `calls` are what it calls
    that may be of the project.
    """

    qualname: str
    line: int
    params: tuple[str, ...]
    decorators: tuple[Value, ...] = ()
    returns: tuple[Value, ...] = ()
    kernel: KernelFacts | None = None
    arguments: tuple[str, ...] = ()
    calls: tuple[Value, ...] = ()
    described: Described | None = None
    """Of what others may call: functions of the module, and how objects are made and run."""


class ClassFacts(msgspec.Struct, frozen=True, array_like=True):
    """A class definition: its bases, what its body binds, what its methods keep of parameters."""

    name: str
    bases: tuple[Value, ...]
    members: dict[str, Value] = {}
    kept: tuple[Value, ...] = ()
    """Calls on parameters whose result is kept: `jit(fn)` in `self.fn = jit(fn)`."""
    described: Described | None = None


class Launch(msgspec.Struct, frozen=True, array_like=True):
    """A place that may launch a kernel: `target[grid](...)`, or `run(kernel=target, grid=...)`."""

    target: Value
    launcher: str | None
    warms: bool = False
    """Whether it only compiles the kernel: `target.warmup(..., grid=...)`."""


class Handed(msgspec.Struct, frozen=True, array_like=True):
    """A call that is given what may be a kernel.

    `callee` launches it if it launches what it gets at `place`.
    """

    callee: Value
    place: int | str
    target: Value
    launcher: str | None


class JitCall(msgspec.Struct, frozen=True, array_like=True):
    """A call that may turn a function of this file into a kernel: `callee(function)`."""

    callee: Value
    function: Value


class FileFacts(msgspec.Struct, frozen=True, array_like=True):
    """All that is known of one file by itself."""

    bindings: dict[str, tuple[Binding, ...]] = {}
    stars: tuple[Import, ...] = ()
    functions: tuple[FunctionFacts, ...] = ()
    classes: tuple[ClassFacts, ...] = ()
    launches: tuple[Launch, ...] = ()
    jit_calls: tuple[JitCall, ...] = ()
    head: str = ""
    """Of a file that may hold kernels: its leading comments and docstring, where licences stand."""
    cells: tuple[tuple[int, int], ...] = ()
    """In a notebook: (first line of the cell in the joined source, cell index), in order."""
    skipped: tuple[tuple[int, str], ...] = ()
    """Cells that could not be read, with the reason."""
    handed: tuple[Handed, ...] = ()
