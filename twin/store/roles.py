"""Name the database roles the server signs in as, and give each its URL.

None of them owns a table. `APP` answers requests: row-level security holds for it. `TWIN` is the server's own
hand (observations, alarms, the journal): it passes by the policies because COPY cannot run under them, and
is granted only the tables it writes. `AUTH` sees accounts and credentials and nothing else. `AUDIT` owns the
function that writes the record of acts, can add to it and never change it, and cannot sign in.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.engine import make_url

APP: Final = "gridtwin_app"
TWIN: Final = "gridtwin_twin"
AUTH: Final = "gridtwin_auth"
AUDIT: Final = "gridtwin_audit"

LOGINS: Final = (APP, TWIN, AUTH)


def role_url(owner_url: str, role: str, password: str | None = None) -> str:
    """Give the URL by which a role signs in to the database of another URL.

    Parameters
    ----------
    owner_url
        URL of the database's owner.
    role
        One of `LOGINS`.
    password
        None where none is needed: the private cluster's socket lies in a folder closed to others.
    """
    url = make_url(owner_url).set(username=role)
    url = url.set(password=password)
    return url.render_as_string(hide_password=False)
