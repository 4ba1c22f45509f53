"""Find statements handed to the database that are made of anything but constants and numbers of the code.

An expression is constant when everything it is made of is written in the code. A name is followed to all
its assignments, a parameter to the arguments of all calls of its function, an attribute to its object.
Numbers are let through wherever they come from: a float or an int cannot be an injection. What cannot be
followed is not constant.

Known holes: a method is known by its name alone, and an object made elsewhere is as constant as what it was
made of; ``setattr``, ``globals`` and the like are not followed.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.source_code import (
    Comprehension,
    Function,
    Module,
    Place,
    assigned_in,
    called_name,
    functions_within,
    inner_of,
    keyword_of,
    origin_of,
    parameter_of,
    read_module,
    walk,
)

TAKERS = {
    "execute", "executemany", "exec_driver_sql", "fetch", "fetchrow", "fetchval", "fetch_one",
    "fetch_all", "prepare", "scalar", "scalars", "stream", "copy",
}  # fmt: skip
"""Methods whose first argument becomes a statement, of whatever object of ours or of a driver."""

TEXTS = {"text", "SQL"}
"""What `BUILDERS` make a statement of a string with."""

BUILDERS = {"sqlalchemy", "psycopg", "geoalchemy2"}
"""What these make of values are parameters and quoted names; a text they are given is looked at by itself."""

NUMBERS = {"int", "float", "bool", "len", "round", "abs", "ord", "hash", "id"}
"""Builtins whose answers are numbers (or raise), and annotations of numbers."""

GATHERERS = {
    "str", "repr", "tuple", "list", "sorted", "set", "frozenset", "zip", "enumerate", "reversed",
    "min", "max", "dict", "range", "sum", "map", "filter", "next", "iter",
    "fields",
}  # fmt: skip
"""Builtins that make nothing that is not in their arguments."""

METHODS = {
    "join", "format", "replace", "strip", "rstrip", "lstrip", "lower", "upper", "items", "values",
    "keys", "get", "split", "title", "removeprefix", "removesuffix", "copy", "bindparams", "columns",
    "union", "encode",
}  # fmt: skip
"""Methods of constants that make nothing that is not in them or in their arguments."""


@dataclass(frozen=True)
class Finding:
    """A statement that is not constant, and the part of it that could not be followed."""

    file: str
    line: int
    why: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.why}"


class Constancy:
    """All modules of the house, and what is known of the constancy of their expressions."""

    def __init__(self, sources: dict[str, str], trusted: Iterable[str] = ()) -> None:
        """Parse ``sources``, file names below the root and texts; ``trusted`` functions count as constant."""
        self.modules = {}
        self.trusted = frozenset(trusted)
        for file, source in sources.items():
            name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            self.modules[name] = read_module(name, file, source)
        self.calls: dict[str, list[tuple[ast.Call, Place]]] = defaultdict(list)
        self.passed_on: set[int] = set()
        self.places: list[tuple[ast.AST, Place]] = []
        for module in self.modules.values():
            for node, place in walk(module.tree, Place(module)):
                self.places.append((node, place))
                if isinstance(node, ast.Call):
                    self.calls[called_name(node)].append((node, place))
                elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                        if isinstance(target, ast.Attribute):
                            module.attributes[target.attr].append((node.value, place))
        self.held: dict[str, list[tuple[ast.expr, Place]]] = defaultdict(list)
        self._note_passed_on()
        self._note_held()
        self._asking: set[tuple[int, int]] = set()
        self._known: dict[tuple[int, int], str | None] = {}
        self._cut_short = False

    def _note_passed_on(self) -> None:
        """Note the functions that are handed about as values: not all calls of these are seen."""
        called = {id(call.func) for calls in self.calls.values() for call, _ in calls}
        for node, place in self.places:
            if (
                isinstance(node, ast.Name | ast.Attribute)
                and isinstance(node.ctx, ast.Load)
                and id(node) not in called
            ):
                function, _ = self._own(node, place)
                if function is not None:
                    self.passed_on.add(id(function))

    def findings(self) -> list[Finding]:
        """List the statements that are not constant."""
        found = set()
        for call, place in self.takers():
            why = self.why_not(call.args[0], place)
            if why is not None:
                found.add(Finding(place.module.file, call.lineno, why))
        return sorted(found, key=lambda f: (f.file, f.line))

    def takers(self) -> Iterator[tuple[ast.Call, Place]]:
        """Yield the calls that make a statement of their first argument."""
        for name in TAKERS | TEXTS:
            for call, place in self.calls[name]:
                is_method = isinstance(call.func, ast.Attribute) and not self._is_foreign(call.func, place)
                if call.args and (self._is_builder(call.func, place) if name in TEXTS else is_method):
                    yield call, place

    def why_not(self, node: ast.expr, place: Place) -> str | None:
        """Return the part of an expression that is not constant; None where all of it is."""
        key = (id(node), id(place.scopes[-1]) if place.scopes else 0)
        if key in self._known:
            return self._known[key]
        if key in self._asking:
            self._cut_short = True
            return None  # what is made of itself is as constant as the rest of it
        self._asking.add(key)
        outer, self._cut_short = self._cut_short, False
        why = self._why_not(node, place)
        self._asking.discard(key)
        if why is not None or not self._cut_short:
            self._known[key] = why
        self._cut_short |= outer
        return why

    def _all(self, nodes: Iterable[ast.expr], place: Place) -> str | None:
        return next((why for node in nodes if (why := self.why_not(node, place)) is not None), None)

    def _why_not(self, node: ast.expr, place: Place) -> str | None:
        match node:
            case ast.Constant() | ast.Compare():
                return None
            case ast.Lambda(body=body):
                return self.why_not(body, place.inside(node))
            case ast.JoinedStr(values=parts):
                return self._all((p.value for p in parts if isinstance(p, ast.FormattedValue)), place)
            case ast.BinOp(left=left, right=right):
                return self._all((left, right), place)
            case (
                ast.BoolOp(values=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts)
            ):
                return self._all(parts, place)
            case ast.IfExp(body=body, orelse=orelse):
                return self._all((body, orelse), place)
            case ast.Await(value=ast.Call() as call):
                return self._call(call, place, awaited=True)
            case ast.Starred(value=value) | ast.UnaryOp(operand=value) | ast.NamedExpr(value=value):
                return self.why_not(value, place)
            case ast.Attribute(value=value, attr=attr):
                return self._attribute(node, value, attr, place)
            case ast.Subscript(value=value):
                return self.why_not(value, place)  # one of constants, whichever is asked for
            case ast.Dict(keys=keys, values=values):
                return self._all((*(k for k in keys if k is not None), *values), place)
            case ast.DictComp(key=key, value=value):
                return self._all((key, value), place.inside(node))
            case ast.ListComp(elt=elt) | ast.SetComp(elt=elt) | ast.GeneratorExp(elt=elt):
                return self.why_not(elt, place.inside(node))
            case ast.Name(id=name):
                return self._name(name, node, place)
            case ast.Call():
                return self._call(node, place)
        return ast.unparse(node)[:80]

    def _attribute(self, node: ast.expr, value: ast.expr, attr: str, place: Place) -> str | None:
        if origin_of(node, place) == "math":
            return None
        if isinstance(value, ast.Name):
            origin = place.module.imported.get(value.id)
            home = (
                self.modules.get(f"{origin[0]}.{origin[1]}") or self.modules.get(origin[0])
                if origin
                else None
            )
            if home is not None and (attr in home.bound or attr in home.functions):
                return self._name(attr, node, Place(home))
            if value.id == "self":
                return self._own_attribute(attr, place)
        return self.why_not(value, place)

    def _own_attribute(self, attr: str, place: Place) -> str | None:
        """Follow ``self.attr`` to what any object of the module is given under this name."""
        given = place.module.attributes[attr]
        if not given:
            return f"self.{attr} ({place.module.file})"
        return next((why for value, where in given if (why := self.why_not(value, where)) is not None), None)

    def _name(self, name: str, node: ast.expr, place: Place) -> str | None:
        for depth in range(len(place.scopes), 0, -1):
            scope = place.scopes[depth - 1]
            here = Place(place.module, place.scopes[:depth])
            values = assigned_in(scope).get(name, [])
            parameter = None if isinstance(scope, Comprehension) else parameter_of(scope, name)
            if values or parameter is not None:
                why = self._all(values, here)
                if why is None and parameter is not None:
                    why = self._argument(scope, parameter, here)
                return why
            if name in functions_within(scope):
                return self._answer(functions_within(scope)[name], here)
        module = place.module
        if name in module.classes:
            return None
        if name in module.functions:
            return self._answer(module.functions[name], Place(module))
        if name in module.bound:
            return self._all(module.bound[name], Place(module))
        if name in module.imported:
            home, original = module.imported[name]
            if home in self.modules:
                return self._name(original, node, Place(self.modules[home]))
            if f"{home}.{original}" in self.modules or home.split(".")[0] in BUILDERS:
                return None
        return f"{name} ({module.file})"

    def _argument(self, function: Function | ast.Lambda, parameter: ast.arg, place: Place) -> str | None:
        """Follow a parameter to every call of its function."""
        if parameter.annotation is not None and ast.unparse(parameter.annotation).strip("'\"") in NUMBERS:
            return None
        where = f"{parameter.arg} of {getattr(function, 'name', 'lambda')} ({place.module.file})"
        if isinstance(function, ast.Lambda) or id(function) in self.passed_on:
            return f"{where}, which is passed on"
        arguments = function.args
        positional = [*arguments.posonlyargs, *arguments.args]
        is_method = bool(positional) and positional[0].arg in {"self", "cls"}
        index = positional.index(parameter) - is_method if parameter in positional else None
        if index == -1:
            return None  # the object itself: its attributes are followed as those of a constant
        calls = [
            (call, caller)
            for call, caller in self.calls[function.name]
            if (is_method and self._may_be(call.func, function, caller, place))
            or self._own(call.func, caller)[0] is function
        ]
        if not calls:
            return f"{where}, which nobody calls"
        for call, caller in calls:
            given = keyword_of(call, parameter.arg)
            if given is None and index is not None and index < len(call.args):
                given = call.args[index]
            if any(isinstance(a, ast.Starred) for a in call.args) or any(
                k.arg is None for k in call.keywords
            ):
                given = given or ast.Name(id=f"*{where}", ctx=ast.Load())
            if given is None:
                continue  # the default, which is written at the function
            why = self.why_not(given, caller)
            if why is not None:
                return why
        return None

    def _answer(self, function: Function, place: Place) -> str | None:
        """Follow what a function answers; it stands at a place."""
        if function.returns is not None and ast.unparse(function.returns) in NUMBERS:
            return None
        answers = (
            n.value
            for n in inner_of(function)
            if isinstance(n, ast.Return | ast.Yield) and n.value is not None
        )
        return self._all(answers, place.inside(function))

    def _may_be(self, called: ast.expr, method: Function, caller: Place, home: Place) -> bool:
        """Say whether a call may be one of a method: by its name alone, a private one in its own module."""
        if method.name.startswith("_") and caller.module is not home.module:
            return False
        return isinstance(called, ast.Attribute) and not self._is_foreign(called, caller)

    def _call(self, call: ast.Call, place: Place, *, awaited: bool = False) -> str | None:
        name = called_name(call)
        given = (*call.args, *(keyword.value for keyword in call.keywords))
        if name in TAKERS and isinstance(call.func, ast.Attribute):
            return f"{ast.unparse(call)[:80]} ({place.module.file})"  # what a database answers
        if self._is_builder(call.func, place):
            return None  # a text in it is looked at by itself
        if origin_of(call.func, place) == "math":
            return None
        function, home = self._own(call.func, place)
        if function is None and isinstance(call.func, ast.Name) and name in NUMBERS:
            return None
        if function is None and isinstance(call.func, ast.Name) and name in GATHERERS:
            return self._all(given, place)
        if function is not None and f"{home.name}.{function.name}" in self.trusted:
            return None
        if function is not None and home is not None:
            outer = next(
                (
                    place.scopes[:n]
                    for n, s in enumerate(place.scopes, 1)
                    if function in functions_within(s).values()
                ),
                (),
            )
            return self._answer(function, Place(home, outer))
        if isinstance(call.func, ast.Attribute) and name in METHODS:
            return self._all((call.func.value, *given), place)
        if isinstance(call.func, ast.Attribute):
            # A function that is a field of a constant row: what it answers is looked at where it is written.
            why = self.why_not(call.func.value, place)
            if why is None:
                why = self._all(given, place)
            if why is None:
                held = (one for one in self.held[name] if self._is_async(*one) is awaited)
                why = next((w for e, where in held if (w := self.why_not(e, where)) is not None), None)
            return why
        if self._is_class(call.func, place):
            # A function that a row holds is looked at where it is called: see above.
            return self._all((value for value in given if not self._is_function(value, place)), place)
        return f"{ast.unparse(call)[:80]} ({place.module.file})"

    def _is_builder(self, node: ast.expr, place: Place) -> bool:
        return origin_of(node, place) in BUILDERS

    def _is_foreign(self, node: ast.expr, place: Place) -> bool:
        """Say whether a function is of a module that is neither ours nor a driver's, as ``shutil.copy``."""
        own = {name.split(".")[0] for name in self.modules}
        return (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and (origin_of(node, place) not in {"", *own, *BUILDERS} or self._own(node, place)[0] is not None)
        )

    def _own(self, node: ast.expr, place: Place) -> tuple[Function | None, Module | None]:
        """Find the function of ours that is called by a name, or by a name in a module of ours."""
        module = place.module
        if isinstance(node, ast.Name):
            for outer in reversed(place.scopes):
                inner = functions_within(outer).get(node.id)
                if inner is not None:
                    return inner, module
            if node.id in module.functions:
                return module.functions[node.id], module
            home, original = module.imported.get(node.id, ("", ""))
            found = self.modules.get(home)
            return (found.functions.get(original), found) if found else (None, None)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            home, original = module.imported.get(node.value.id, ("", ""))
            found = self.modules.get(f"{home}.{original}")
            return (found.functions.get(node.attr), found) if found else (None, None)
        return None, None

    def _is_function(self, node: ast.expr, place: Place) -> bool:
        return isinstance(node, ast.Lambda) or self._own(node, place)[0] is not None

    def _is_async(self, node: ast.expr, place: Place) -> bool:
        """Say whether a function, or the one that a call of ours makes, is to be awaited."""
        function, _ = self._own(node.func if isinstance(node, ast.Call) else node, place)
        made = (
            functions_within(function).values()
            if isinstance(node, ast.Call) and function is not None
            else [function]
        )
        return any(isinstance(one, ast.AsyncFunctionDef) for one in made)

    def _is_class(self, node: ast.expr, place: Place) -> bool:
        return self._fields(node, place) is not None

    def _fields(self, node: ast.expr, place: Place) -> list[str] | None:
        """Return the names of the fields of a class of ours; None where a name is none."""
        if not isinstance(node, ast.Name):
            return None
        home, original = place.module.imported.get(node.id, (place.module.name, node.id))
        return self.modules[home].classes.get(original) if home in self.modules else None

    def _note_held(self) -> None:
        """Note what objects of ours are given for each field, where that is a function or may make one."""
        for calls in list(self.calls.values()):
            for call, place in calls:
                fields = self._fields(call.func, place)
                if fields is not None:
                    given = [
                        *zip(fields, call.args, strict=False),
                        *((k.arg, k.value) for k in call.keywords),
                    ]
                    for field_name, value in given:
                        if isinstance(value, ast.Call) or self._is_function(value, place):
                            self.held[field_name].append((value, place))


def read_house(root: Path, packages: Iterable[str], trusted: Iterable[str] = ()) -> Constancy:
    """Read all modules of packages below a folder."""
    files = sorted(path for package in packages for path in (root / package).rglob("*.py"))
    return Constancy(
        {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in files}, trusted
    )
