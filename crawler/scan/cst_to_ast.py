"""Whole files through libcst: its tree, converted to the tree that Python's own parser would give.

libcst reads the grammar of every Python release, whichever one runs it: generic functions,
nested f-strings, `except A, B:`. What older trees have no node for is put in terms that they have:
`type X = Y` is an assignment, type parameters are dropped, a template string is an f-string.
Positions are lines and columns as `ast` counts them: from 1, and in bytes of UTF-8 from 0.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import libcst as cst
from libcst.metadata import CodePosition, CodeRange, MetadataWrapper, PositionProvider

_OPERATORS: dict[str, type[ast.operator]] = {
    "Add": ast.Add,
    "Subtract": ast.Sub,
    "Multiply": ast.Mult,
    "Divide": ast.Div,
    "FloorDivide": ast.FloorDiv,
    "Modulo": ast.Mod,
    "Power": ast.Pow,
    "MatrixMultiply": ast.MatMult,
    "LeftShift": ast.LShift,
    "RightShift": ast.RShift,
    "BitAnd": ast.BitAnd,
    "BitOr": ast.BitOr,
    "BitXor": ast.BitXor,
}
_COMPARISONS: dict[str, type[ast.cmpop]] = {
    "Equal": ast.Eq,
    "NotEqual": ast.NotEq,
    "LessThan": ast.Lt,
    "LessThanEqual": ast.LtE,
    "GreaterThan": ast.Gt,
    "GreaterThanEqual": ast.GtE,
    "In": ast.In,
    "NotIn": ast.NotIn,
    "Is": ast.Is,
    "IsNot": ast.IsNot,
}
_UNARY: dict[str, type[ast.unaryop]] = {
    "Minus": ast.USub,
    "Plus": ast.UAdd,
    "BitInvert": ast.Invert,
    "Not": ast.Not,
}


def parse_with_libcst(text: str) -> ast.Module | None:
    """Return the tree of Python source text, None where libcst rejects it."""
    try:
        wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
        positions = wrapper.resolve(PositionProvider)
        return _Converter(positions, text).module(wrapper.module)
    except (cst.ParserSyntaxError, cst.CSTValidationError, RecursionError, SyntaxError, ValueError):
        # A syntax error of Python's own: libcst does not look into numbers and strings.
        return None


class _Converter:
    def __init__(self, positions: Mapping[cst.CSTNode, Any], text: str) -> None:
        self.positions = positions
        is_plain = text.isascii() and "\f" not in text
        lines = () if is_plain else enumerate(text.split("\n"), start=1)
        self.odd_lines = {n: s for n, s in lines if not s.isascii() or s.startswith("\f")}

    def at(self, node: ast.AST, origin: cst.CSTNode) -> Any:
        """Return the node with the position of what it was made from."""
        found: CodeRange = self.positions[origin]
        node.lineno = found.start.line  # type: ignore[attr-defined]
        node.col_offset = self.column(found.start)  # type: ignore[attr-defined]
        node.end_lineno = found.end.line  # type: ignore[attr-defined]
        node.end_col_offset = self.column(found.end)  # type: ignore[attr-defined]
        return node

    def column(self, position: CodePosition) -> int:
        """Return a column in bytes; libcst counts characters, after a line's first form feeds."""
        line = self.odd_lines.get(position.line)
        if line is None:
            return position.column
        feeds = len(line) - len(line.lstrip("\f"))
        return len(line[: position.column + feeds].encode())

    # Statements.

    def module(self, node: cst.Module) -> ast.Module:
        return ast.Module(body=self.statements(node.body), type_ignores=[])

    def block(self, body: cst.BaseSuite) -> list[ast.stmt]:
        return self.statements(body.body)

    def statements(self, body: Sequence[cst.CSTNode]) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for node in body:
            if isinstance(node, cst.SimpleStatementLine):
                found.extend(self.statement(small) for small in node.body)
            else:
                found.append(self.statement(node))
        return found

    def statement(self, node: cst.CSTNode) -> ast.stmt:
        method = getattr(self, f"s_{type(node).__name__}", None)
        made = method(node) if method is not None else ast.Pass()
        statement: ast.stmt = self.at(made, node)
        return statement

    def s_Expr(self, node: cst.Expr) -> ast.stmt:
        return ast.Expr(self.expression(node.value))

    def s_Assign(self, node: cst.Assign) -> ast.stmt:
        targets = [self.expression(target.target) for target in node.targets]
        return ast.Assign(targets=targets, value=self.expression(node.value))

    def s_AnnAssign(self, node: cst.AnnAssign) -> ast.stmt:
        return ast.AnnAssign(
            target=self.target(node.target),
            annotation=self.expression(node.annotation.annotation),
            value=self.optional(node.value),
            simple=int(isinstance(node.target, cst.Name) and not node.target.lpar),
        )

    def s_AugAssign(self, node: cst.AugAssign) -> ast.stmt:
        operator = type(node.operator).__name__.removesuffix("Assign")
        return ast.AugAssign(
            target=self.target(node.target),
            op=_OPERATORS[operator](),
            value=self.expression(node.value),
        )

    def target(self, node: cst.CSTNode) -> Any:
        """Return what is assigned to; that it is a name, attribute or subscript libcst has seen."""
        return self.expression(node)

    def s_TypeAlias(self, node: cst.TypeAlias) -> ast.stmt:
        return ast.Assign(targets=[self.expression(node.name)], value=self.expression(node.value))

    def s_Return(self, node: cst.Return) -> ast.stmt:
        return ast.Return(self.optional(node.value))

    def s_Raise(self, node: cst.Raise) -> ast.stmt:
        cause = node.cause.item if node.cause is not None else None
        return ast.Raise(self.optional(node.exc), self.optional(cause))

    def s_Assert(self, node: cst.Assert) -> ast.stmt:
        return ast.Assert(self.expression(node.test), self.optional(node.msg))

    def s_Del(self, node: cst.Del) -> ast.stmt:
        target = self.expression(node.target)
        is_bare_tuple = isinstance(node.target, cst.Tuple) and not node.target.lpar
        return ast.Delete(target.elts if is_bare_tuple else [target])  # type: ignore[attr-defined]

    def s_Global(self, node: cst.Global) -> ast.stmt:
        return ast.Global([item.name.value for item in node.names])

    def s_Nonlocal(self, node: cst.Nonlocal) -> ast.stmt:
        return ast.Nonlocal([item.name.value for item in node.names])

    def s_Break(self, node: cst.Break) -> ast.stmt:
        return ast.Break()

    def s_Continue(self, node: cst.Continue) -> ast.stmt:
        return ast.Continue()

    def s_Import(self, node: cst.Import) -> ast.stmt:
        return ast.Import([self.alias(alias) for alias in node.names])

    def s_ImportFrom(self, node: cst.ImportFrom) -> ast.stmt:
        names = (
            [self.at(ast.alias("*", None), node.names)]
            if isinstance(node.names, cst.ImportStar)
            else [self.alias(alias) for alias in node.names]
        )
        module = _dotted(node.module) if node.module is not None else None
        return ast.ImportFrom(module, names, len(node.relative))

    def alias(self, node: cst.ImportAlias) -> ast.alias:
        renamed = node.asname.name if node.asname is not None else None
        as_name = renamed.value if isinstance(renamed, cst.Name) else None
        made: ast.alias = self.at(ast.alias(_dotted(node.name), as_name), node)
        return made

    def s_FunctionDef(self, node: cst.FunctionDef) -> ast.stmt:
        kind = ast.AsyncFunctionDef if node.asynchronous is not None else ast.FunctionDef
        returns = node.returns.annotation if node.returns is not None else None
        made = kind(
            name=node.name.value,
            args=self.parameters(node.params),
            body=self.block(node.body),
            decorator_list=[self.expression(d.decorator) for d in node.decorators],
            returns=self.optional(returns),
            type_comment=None,
        )
        _without_type_params(made)
        return made

    def s_ClassDef(self, node: cst.ClassDef) -> ast.stmt:
        made = ast.ClassDef(
            name=node.name.value,
            bases=[self.argument(base) for base in node.bases],
            keywords=[self.keyword(keyword) for keyword in node.keywords],
            body=self.block(node.body),
            decorator_list=[self.expression(d.decorator) for d in node.decorators],
        )
        _without_type_params(made)
        return made

    def s_If(self, node: cst.If) -> ast.stmt:
        orelse: list[ast.stmt] = []
        if isinstance(node.orelse, cst.If):
            orelse = [self.statement(node.orelse)]
        elif node.orelse is not None:
            orelse = self.block(node.orelse.body)
        return ast.If(self.expression(node.test), self.block(node.body), orelse)

    def s_For(self, node: cst.For) -> ast.stmt:
        kind = ast.AsyncFor if node.asynchronous is not None else ast.For
        return kind(
            target=self.expression(node.target),
            iter=self.expression(node.iter),
            body=self.block(node.body),
            orelse=self.orelse(node.orelse),
            type_comment=None,
        )

    def s_While(self, node: cst.While) -> ast.stmt:
        test = self.expression(node.test)
        return ast.While(test, self.block(node.body), self.orelse(node.orelse))

    def orelse(self, node: cst.Else | None) -> list[ast.stmt]:
        return self.block(node.body) if node is not None else []

    def s_With(self, node: cst.With) -> ast.stmt:
        kind = ast.AsyncWith if node.asynchronous is not None else ast.With
        items = [
            ast.withitem(
                self.expression(item.item),
                self.expression(item.asname.name) if item.asname is not None else None,
            )
            for item in node.items
        ]
        return kind(items=items, body=self.block(node.body), type_comment=None)

    def s_Try(self, node: cst.Try | cst.TryStar) -> ast.stmt:
        kind = ast.TryStar if isinstance(node, cst.TryStar) else ast.Try
        handlers = []
        for handler in node.handlers:
            named = handler.name.name if handler.name is not None else None
            made = ast.ExceptHandler(
                type=self.optional(handler.type),
                name=named.value if isinstance(named, cst.Name) else None,
                body=self.block(handler.body),
            )
            handlers.append(self.at(made, handler))
        final = self.block(node.finalbody.body) if node.finalbody is not None else []
        return kind(self.block(node.body), handlers, self.orelse(node.orelse), final)

    s_TryStar = s_Try

    def s_Match(self, node: cst.Match) -> ast.stmt:
        cases = [
            ast.match_case(ast.MatchAs(), self.optional(case.guard), self.block(case.body))
            for case in node.cases
        ]
        return ast.Match(self.expression(node.subject), cases)

    # Functions and calls.

    def parameters(self, node: cst.Parameters) -> ast.arguments:
        positional = [*node.posonly_params, *node.params]
        star = node.star_arg if isinstance(node.star_arg, cst.Param) else None
        return ast.arguments(
            posonlyargs=[self.parameter(param) for param in node.posonly_params],
            args=[self.parameter(param) for param in node.params],
            vararg=self.parameter(star) if star is not None else None,
            kwonlyargs=[self.parameter(param) for param in node.kwonly_params],
            kw_defaults=[self.optional(param.default) for param in node.kwonly_params],
            kwarg=self.parameter(node.star_kwarg) if node.star_kwarg is not None else None,
            defaults=[self.expression(p.default) for p in positional if p.default is not None],
        )

    def parameter(self, node: cst.Param) -> ast.arg:
        annotation = node.annotation.annotation if node.annotation is not None else None
        made: ast.arg = self.at(ast.arg(node.name.value, self.optional(annotation), None), node)
        return made

    def argument(self, node: cst.Arg) -> ast.expr:
        value = self.expression(node.value)
        if node.star != "*":
            return value
        starred: ast.expr = self.at(ast.Starred(value, ast.Load()), node)
        return starred

    def keyword(self, node: cst.Arg) -> ast.keyword:
        name = node.keyword.value if node.keyword is not None else None
        made: ast.keyword = self.at(ast.keyword(name, self.expression(node.value)), node)
        return made

    # Expressions.

    def optional(self, node: cst.CSTNode | None) -> ast.expr | None:
        return None if node is None else self.expression(node)

    def expression(self, node: cst.CSTNode) -> ast.expr:
        method = getattr(self, f"e_{type(node).__name__}", None)
        # What this program does not know yet has no meaning here, and costs no other line its own.
        made: ast.expr = self.at(ast.Constant(...) if method is None else method(node), node)
        return made

    def e_Name(self, node: cst.Name) -> ast.expr:
        constants = {"True": True, "False": False, "None": None}
        if node.value in constants:
            return ast.Constant(constants[node.value])
        return ast.Name(node.value, ast.Load())

    def e_Attribute(self, node: cst.Attribute) -> ast.expr:
        return ast.Attribute(self.expression(node.value), node.attr.value, ast.Load())

    def e_Ellipsis(self, node: cst.Ellipsis) -> ast.expr:
        return ast.Constant(...)

    def e_Integer(self, node: cst.Integer) -> ast.expr:
        return ast.Constant(ast.literal_eval(node.value))

    e_Float = e_Imaginary = e_Integer

    def e_SimpleString(self, node: cst.SimpleString) -> ast.expr:
        return ast.Constant(node.evaluated_value)

    def e_ConcatenatedString(self, node: cst.ConcatenatedString) -> ast.expr:
        value = node.evaluated_value
        if value is not None:
            return ast.Constant(value)
        sides = (self.expression(node.left), self.expression(node.right))
        return ast.JoinedStr(
            [v for s in sides for v in (s.values if isinstance(s, ast.JoinedStr) else [s])]
        )

    def e_FormattedString(self, node: cst.FormattedString) -> ast.expr:
        return ast.JoinedStr(self.string_parts(node.parts))

    e_TemplatedString = e_FormattedString

    def string_parts(self, parts: Iterable[cst.CSTNode]) -> list[ast.expr]:
        found: list[ast.expr] = []
        for part in parts:
            value = getattr(part, "expression", None)
            if value is None:
                found.append(self.at(ast.Constant(getattr(part, "value", "")), part))
                continue
            spec = getattr(part, "format_spec", None)
            form = self.at(ast.JoinedStr(self.string_parts(spec)), part) if spec else None
            conversion = ord(part.conversion) if getattr(part, "conversion", None) else -1  # type: ignore[attr-defined]
            made = ast.FormattedValue(self.expression(value), conversion, form)
            found.append(self.at(made, part))
        return found

    def e_UnaryOperation(self, node: cst.UnaryOperation) -> ast.expr:
        operator = _UNARY[type(node.operator).__name__]()
        return ast.UnaryOp(operator, self.expression(node.expression))

    def e_BinaryOperation(self, node: cst.BinaryOperation) -> ast.expr:
        operator = _OPERATORS[type(node.operator).__name__]()
        return ast.BinOp(self.expression(node.left), operator, self.expression(node.right))

    def e_BooleanOperation(self, node: cst.BooleanOperation) -> ast.expr:
        operator = ast.And if isinstance(node.operator, cst.And) else ast.Or
        values = [self.expression(node.right)]
        left: cst.CSTNode = node.left
        # `a or b or c` is one node in Python's tree, unless the author bracketed it.
        while (
            isinstance(left, cst.BooleanOperation)
            and type(left.operator) is type(node.operator)
            and not left.lpar
        ):
            values.append(self.expression(left.right))
            left = left.left
        values.append(self.expression(left))
        return ast.BoolOp(operator(), values[::-1])

    def e_Comparison(self, node: cst.Comparison) -> ast.expr:
        return ast.Compare(
            self.expression(node.left),
            [_COMPARISONS[type(c.operator).__name__]() for c in node.comparisons],
            [self.expression(c.comparator) for c in node.comparisons],
        )

    def e_IfExp(self, node: cst.IfExp) -> ast.expr:
        parts = (node.test, node.body, node.orelse)
        return ast.IfExp(*(self.expression(part) for part in parts))

    def e_Lambda(self, node: cst.Lambda) -> ast.expr:
        return ast.Lambda(self.parameters(node.params), self.expression(node.body))

    def e_Call(self, node: cst.Call) -> ast.expr:
        plain = [arg for arg in node.args if arg.keyword is None and arg.star != "**"]
        named = [arg for arg in node.args if arg.keyword is not None or arg.star == "**"]
        return ast.Call(
            self.expression(node.func),
            [self.argument(arg) for arg in plain],
            [self.keyword(arg) for arg in named],
        )

    def e_NamedExpr(self, node: cst.NamedExpr) -> ast.expr:
        return ast.NamedExpr(self.expression(node.target), self.expression(node.value))  # type: ignore[arg-type]

    def e_Await(self, node: cst.Await) -> ast.expr:
        return ast.Await(self.expression(node.expression))

    def e_Yield(self, node: cst.Yield) -> ast.expr:
        if isinstance(node.value, cst.From):
            return ast.YieldFrom(self.expression(node.value.item))
        return ast.Yield(self.optional(node.value))

    def e_Tuple(self, node: cst.Tuple) -> ast.expr:
        return ast.Tuple(self.elements(node.elements), ast.Load())

    def e_List(self, node: cst.List) -> ast.expr:
        return ast.List(self.elements(node.elements), ast.Load())

    def e_Set(self, node: cst.Set) -> ast.expr:
        return ast.Set(self.elements(node.elements))

    def elements(self, nodes: Iterable[cst.BaseElement]) -> list[ast.expr]:
        found = []
        for node in nodes:
            value = self.expression(node.value)
            is_starred = isinstance(node, cst.StarredElement)
            found.append(self.at(ast.Starred(value, ast.Load()), node) if is_starred else value)
        return found

    def e_Dict(self, node: cst.Dict) -> ast.expr:
        keys = [self.optional(getattr(element, "key", None)) for element in node.elements]
        return ast.Dict(keys, [self.expression(element.value) for element in node.elements])

    def e_Subscript(self, node: cst.Subscript) -> ast.expr:
        items = [self.index(element) for element in node.slice]
        is_tuple = len(items) > 1 or isinstance(node.slice[-1].comma, cst.Comma)
        inner = ast.Tuple(items, ast.Load()) if is_tuple else items[0]
        if is_tuple:
            self.at(inner, node.slice[0])
            inner.end_lineno = items[-1].end_lineno
        return ast.Subscript(self.expression(node.value), inner, ast.Load())

    def index(self, element: cst.SubscriptElement) -> ast.expr:
        inner = element.slice
        if isinstance(inner, cst.Index):
            value = self.expression(inner.value)
            starred = getattr(inner, "star", None)
            return self.at(ast.Starred(value, ast.Load()), inner) if starred else value
        assert isinstance(inner, cst.Slice)
        bounds = (self.optional(bound) for bound in (inner.lower, inner.upper, inner.step))
        made: ast.expr = self.at(ast.Slice(*bounds), inner)
        return made

    def e_StarredElement(self, node: cst.StarredElement) -> ast.expr:
        """Return the annotation of `*args: *Ts`; other stars are read with what they stand in."""
        return ast.Starred(self.expression(node.value), ast.Load())

    def e_ListComp(self, node: cst.ListComp) -> ast.expr:
        return ast.ListComp(self.expression(node.elt), self.generators(node.for_in))

    def e_SetComp(self, node: cst.SetComp) -> ast.expr:
        return ast.SetComp(self.expression(node.elt), self.generators(node.for_in))

    def e_GeneratorExp(self, node: cst.GeneratorExp) -> ast.expr:
        return ast.GeneratorExp(self.expression(node.elt), self.generators(node.for_in))

    def e_DictComp(self, node: cst.DictComp) -> ast.expr:
        key, value = self.expression(node.key), self.expression(node.value)
        return ast.DictComp(key, value, self.generators(node.for_in))

    def generators(self, node: cst.CompFor | None) -> list[ast.comprehension]:
        found = []
        while node is not None:
            found.append(
                ast.comprehension(
                    self.expression(node.target),
                    self.expression(node.iter),
                    [self.expression(test.test) for test in node.ifs],
                    int(node.asynchronous is not None),
                )
            )
            node = node.inner_for_in
        return found


def _dotted(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        return f"{_dotted(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else ""


def _without_type_params(node: ast.stmt) -> None:
    """Complete a definition for the interpreters whose trees have type parameters."""
    if "type_params" in node._fields:
        node.type_params = []  # type: ignore[attr-defined]
