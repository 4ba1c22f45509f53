"""Ask the OSV database for advisories about every locked package, of Python and of the web.

Exit 0: asked, none known. 1: the packages that have one are printed. 77: could not ask, which is not passed.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
OSV = "https://api.osv.dev"
AT_ONCE = 500
NOT_ASKED = 77

Locked = tuple[str, str, str]
"""Ecosystem, name, version."""


def locked(root: Path) -> list[Locked]:
    """List what the lock files of a checkout name, each once."""
    found: set[Locked] = set()
    for file in ("requirements.lock", "requirements-test.lock"):
        text = (root / file).read_text(encoding="utf-8")
        found |= {
            ("PyPI", name, version) for name, version in re.findall(r"(?m)^([\w.-]+)==([^\s;\\]+)", text)
        }
    packages = json.loads((root / "web" / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for place, package in packages.items():
        if place.startswith("node_modules/"):
            found.add(
                ("npm", package.get("name") or place.rpartition("node_modules/")[2], package["version"])
            )
    return sorted(found)


def ask(packages: list[Locked], url: str = OSV) -> list[tuple[Locked, list[str]]]:
    """Return the packages that have advisories, each with their names.

    Raises
    ------
    httpx.HTTPError
        The database cannot be reached, or does not answer as its manual says (https://google.github.io/osv.dev).
    """
    found = []
    with httpx.Client(base_url=url, timeout=30.0) as http:
        for begin in range(0, len(packages), AT_ONCE):
            part = packages[begin : begin + AT_ONCE]
            queries = [
                {"package": {"ecosystem": ecosystem, "name": name}, "version": version}
                for ecosystem, name, version in part
            ]
            answer = http.post("/v1/querybatch", json={"queries": queries}).raise_for_status()
            results = answer.json().get("results", [])
            if len(results) != len(part):
                raise httpx.HTTPError(f"{len(results)} answers to {len(part)} questions")
            found += [
                (package, [advisory["id"] for advisory in result["vulns"]])
                for package, result in zip(part, results, strict=True)
                if result.get("vulns")
            ]
    return found


def main(url: str = OSV) -> int:
    """Ask, and print what there is."""
    packages = locked(ROOT)
    try:
        found = ask(packages, url)
    except (httpx.HTTPError, ValueError) as error:
        sys.stdout.write(f"could not ask {url} about {len(packages)} packages: {error}\n")
        return NOT_ASKED
    for (ecosystem, name, version), advisories in found:
        sys.stdout.write(f"{ecosystem} {name} {version}: {', '.join(advisories)}\n")
    sys.stdout.write(f"{len(packages)} packages asked about, {len(found)} with advisories\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
