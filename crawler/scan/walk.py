"""Which fields of a syntax node hold nodes worth visiting.

Most of a tree is contexts, operators and positions. Knowing by type where expressions and
statements can be makes a walk several times faster than `ast.walk`.
"""

from __future__ import annotations

import ast

_NO_CHILDREN = frozenset(
    "arg asname attr cls conversion ctx id is_async kind kwd_attrs level lineno module name "
    "names op ops rest simple tag type_comment type_ignores type_params".split()
)

CHILD_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {
    node: tuple(name for name in node._fields if name not in _NO_CHILDREN)
    for node in vars(ast).values()
    if isinstance(node, type) and issubclass(node, ast.AST)
}
CHILD_FIELDS[ast.Constant] = CHILD_FIELDS[ast.Name] = CHILD_FIELDS[ast.MatchSingleton] = ()
"""Field names, in source order, that may hold a node or a list of nodes, by type of node."""
