"""Keep a run of schemathesis from ending itself; loaded by it through SCHEMATHESIS_HOOKS."""

from __future__ import annotations

import os

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    """Let the caller withdraw any role but the own one: everything after that would be 403."""
    own = os.environ["CONTRACT_OWN_ROLE"]
    if case.path == "/api/accounts/roles/{id}/withdraw" and str(case.path_parameters.get("id")) == own:
        case.path_parameters["id"] = 2**53
