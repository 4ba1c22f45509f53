"""Read Python files: what names are bound to, and in which functions an expression stands."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

Function = ast.FunctionDef | ast.AsyncFunctionDef
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
Scope = Function | ast.Lambda | Comprehension


@dataclass
class Place:
    """An expression stands in a module, inside of functions and comprehensions, the innermost last."""

    module: Module
    scopes: tuple[Scope, ...] = ()

    def inside(self, scope: Scope) -> Place:
        return Place(self.module, (*self.scopes, scope))


@dataclass
class Module:
    """A parsed file: what its names are bound to at the top, and what it imports."""

    name: str
    file: str
    tree: ast.Module
    bound: dict[str, list[ast.expr]] = field(default_factory=lambda: defaultdict(list))
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    classes: dict[str, list[str]] = field(default_factory=dict)
    """Names of fields by class, in the order in which they are given."""
    attributes: dict[str, list[tuple[ast.expr, Place]]] = field(default_factory=lambda: defaultdict(list))


def origin_of(node: ast.expr, place: Place) -> str:
    """Return the package that the first name of an expression was imported from; empty where it was not."""
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    home, _ = place.module.imported.get(node.id, ("", "")) if isinstance(node, ast.Name) else ("", "")
    return home.split(".")[0]


def read_module(name: str, file: str, source: str) -> Module:
    """Parse a file and note what its names are bound to at the top."""
    module = Module(name, file, ast.parse(source, filename=file))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            module.imported |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            module.imported |= {(a.asname or a.name).split(".")[0]: (a.name, "") for a in node.names}
    module.functions = {node.name: node for node in module.tree.body if isinstance(node, Function)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            annotated = (n.target for n in node.body if isinstance(n, ast.AnnAssign))
            module.classes[node.name] = [target.id for target in annotated if isinstance(target, ast.Name)]
            for inner in node.body:
                for target, value in _bindings(inner):
                    module.bound[target].append(value)
    for statement in module.tree.body:
        for node in ast.walk(statement) if not isinstance(statement, Function | ast.ClassDef) else ():
            for target, value in _bindings(node):
                module.bound[target].append(value)
    return module


def walk(node: ast.AST, place: Place) -> Iterator[tuple[ast.AST, Place]]:
    """Yield everything below a node, with where it stands."""
    for child in ast.iter_child_nodes(node):
        inner = place
        if isinstance(child, Scope):
            inner = place.inside(child)
        yield child, inner
        yield from walk(child, inner)


def inner_of(function: Function) -> Iterator[ast.AST]:
    """Walk a function without the functions inside of it."""
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, Function | ast.Lambda):
            pending += ast.iter_child_nodes(node)


def _bindings(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a node binds, each with what it is bound to, or to a part of."""
    pairs: list[tuple[ast.expr, ast.expr | None]] = []
    match node:
        case ast.Assign(targets=targets, value=value):
            pairs = [(target, value) for target in targets]
        case ast.AnnAssign(target=target, value=value) | ast.AugAssign(target=target, value=value):
            pairs = [(target, value)]
        case ast.NamedExpr(target=target, value=value):
            pairs = [(target, value)]
        case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
            pairs = [(target, value)]
        case ast.comprehension(target=target, iter=value):
            pairs = [(target, value)]
        case ast.withitem(context_expr=value, optional_vars=target):
            pairs = [(target, value)] if target is not None else []
    for target, value in pairs:
        if value is None:
            continue
        rows = [value]
        if isinstance(node, ast.For | ast.comprehension) and isinstance(value, ast.Tuple | ast.List):
            rows = value.elts
        if isinstance(target, ast.Tuple) and all(_as_long(target, row) for row in rows):
            for row in rows:
                yield from (
                    (t.id, v) for t, v in zip(target.elts, row.elts, strict=True) if isinstance(t, ast.Name)
                )
            continue
        for name in ast.walk(target):
            if isinstance(name, ast.Name):
                yield name.id, value
        if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            yield target.value.id, target.slice  # a dict is made of its keys too


def _as_long(target: ast.Tuple, row: ast.expr) -> bool:
    return isinstance(row, ast.Tuple) and len(target.elts) == len(row.elts)


@cache
def functions_within(function: Scope) -> dict[str, Function]:
    """Return the functions that stand inside of a function."""
    return {n.name: n for n in ast.walk(function) if isinstance(n, Function) and n is not function}


@cache
def assigned_in(scope: Scope) -> dict[str, list[ast.expr]]:
    """Return what each name is bound to inside of a function, or by the clauses of a comprehension."""
    found: dict[str, list[ast.expr]] = defaultdict(list)
    if isinstance(scope, Comprehension):
        for clause in scope.generators:
            for bound, value in _bindings(clause):
                found[bound].append(value)
        return found
    for node in ast.walk(scope):
        if isinstance(node, ast.comprehension):
            continue
        for bound, value in _bindings(node):
            found[bound].append(value)
        # list.append and the like give a list what it is made of
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"append", "extend", "insert", "add"}
            and isinstance(node.func.value, ast.Name)
        ):
            found[node.func.value.id] += node.args
    return found


def parameter_of(function: Function | ast.Lambda, name: str) -> ast.arg | None:
    """Return a parameter of a function by its name; None where it has none."""
    a = function.args
    every = [*a.posonlyargs, *a.args, *a.kwonlyargs, *(x for x in (a.vararg, a.kwarg) if x is not None)]
    return next((parameter for parameter in every if parameter.arg == name), None)


def called_name(call: ast.Call) -> str:
    """Return the name that a call ends in; empty where it has none."""
    func = call.func
    return func.id if isinstance(func, ast.Name) else func.attr if isinstance(func, ast.Attribute) else ""


def keyword_of(call: ast.Call, name: str) -> ast.expr | None:
    """Return what a call gives by keyword; None where it does not."""
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
