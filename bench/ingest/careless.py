"""Run the server so that a commit does not wait for the disk: the control that must lose what it confirmed.

Nothing of the product can be set so; here its statement is changed before it is run.
"""

from __future__ import annotations

from api.cli.__main__ import main
from twin.store import writer

_CAREFUL = "SET synchronous_commit = on;"


def make_careless() -> None:
    """Let the writer of observations confirm before its commit is on disk."""
    if _CAREFUL not in writer._STAGES:
        raise RuntimeError("the writer no longer says how it commits: the control would prove nothing")
    writer._STAGES = writer._STAGES.replace(_CAREFUL, "SET synchronous_commit = off;")


if __name__ == "__main__":
    make_careless()
    main()
