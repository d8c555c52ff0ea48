"""What the names in a kernel's body stand for, as far as one assignment tells it."""

from __future__ import annotations

import ast

from crawler.scan.survey import FunctionDef

_MODULES = ("tl", "language")


class Values:
    """The assignments of one body."""

    def __init__(self, node: FunctionDef) -> None:
        """Note the assignments of a kernel's definition."""
        self.params = {a.arg for a in (*node.args.posonlyargs, *node.args.args)}
        self.params |= {a.arg for a in node.args.kwonlyargs}
        self._once: dict[str, ast.expr] = {}
        counts: dict[str, int] = {}
        for each in ast.walk(node):
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                counts[each.id] = counts.get(each.id, 0) + 1
            match each:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self._once[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    self._once[name] = value
        many = {name for name, n in counts.items() if n > 1} | self.params
        self._once = {name: v for name, v in self._once.items() if name not in many}

    def of(self, node: ast.expr) -> ast.expr:
        """Return what a name stands for where it is given once; else the expression itself."""
        seen: set[str] = set()
        while isinstance(node, ast.Name) and node.id in self._once and node.id not in seen:
            seen.add(node.id)
            node = self._once[node.id]
        return node

    def parts(self, node: ast.expr) -> list[ast.AST]:
        """Return all nodes of an expression and of what its names stand for."""
        found: list[ast.AST] = []
        waiting: list[ast.AST] = [node]
        seen: set[str] = set()
        while waiting:
            each = waiting.pop()
            found.append(each)
            if isinstance(each, ast.Name) and each.id in self._once and each.id not in seen:
                seen.add(each.id)
                waiting.append(self._once[each.id])
            waiting.extend(ast.iter_child_nodes(each))
        return found


def called(node: ast.AST) -> str | None:
    """Return `load` for `tl.load(...)`; None for anything but a call of the language's."""
    match node:
        case ast.Call(func=ast.Attribute(attr=name, value=ast.Name(id=module))):
            return name if module in _MODULES else None
        case ast.Call(func=ast.Attribute(attr=name, value=ast.Attribute(attr="language"))):
            return name
    return None


def argument(call: ast.Call, place: int, keyword: str) -> ast.expr | None:
    """Return an argument by its place or keyword."""
    if len(call.args) > place:
        return call.args[place]
    return next((k.value for k in call.keywords if k.arg == keyword), None)


def is_plain(call: ast.Call) -> bool:
    """Tell whether all arguments are written out: no `*args`, no `**kwargs`."""
    is_starred = any(isinstance(arg, ast.Starred) for arg in call.args)
    return not is_starred and all(k.arg is not None for k in call.keywords)
