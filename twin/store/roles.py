"""Name the database roles the server signs in as, make them, and give each its URL.

None of them owns a table. `APP` answers requests: row-level security holds for it. `TWIN` is the server's own
hand (observations, alarms, the journal): it passes by the policies because COPY cannot run under them, and
is granted only the tables it writes. `AUTH` sees accounts and credentials and nothing else. `AUDIT` owns the
function that writes the record of acts, can add to it and never change it, and cannot sign in.

The private cluster's socket lies in a folder that only its owner can enter, and asks for no password. On a
server of somebody else each of the three gets one, made once and kept in the installation's own folder.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from twin.errors import SetupError
from twin.store.closed_file import write_closed
from twin.store.locks import Lock

APP: Final = "gridtwin_app"
TWIN: Final = "gridtwin_twin"
AUTH: Final = "gridtwin_auth"
AUDIT: Final = "gridtwin_audit"

LOGINS: Final = (APP, TWIN, AUTH)

PASSWORDS_FILE: Final = "database-roles.json"
"""Name of the file with the roles' passwords, in the folder of an installation's secrets."""

_CONNECT_TIMEOUT_S: Final = 10
_WANTED: Final = {APP: "LOGIN", AUTH: "LOGIN", TWIN: "LOGIN BYPASSRLS", AUDIT: "NOLOGIN"}
_KEPT_BY: Final = "GridTwin: the passwords are kept in "

_ATTRIBUTES: Final = """
    SELECT rolname, rolcanlogin, rolsuper, rolbypassrls, pg_has_role(current_user, oid, %s)
    FROM pg_roles WHERE rolname = ANY(%s)
"""
_SET_ROLE_SINCE: Final = 160_000  # before it, whoever is in a role may hand things over to it


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
    # Not `set`: it takes None for "as it was", and that would be the owner's password.
    url = url._replace(password=password)
    return url.render_as_string(hide_password=False)


def read_passwords(path: Path) -> dict[str, str]:
    """Return the roles' passwords that are kept in a file; empty where there is none.

    Raises
    ------
    SetupError
        The file is damaged, or others can read it.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise SetupError(
                "the passwords of the database's roles can be read by others",
                where=str(path),
                hint=f"chmod 600 {path}",
            )
        read = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise _damaged(path) from error
    if not isinstance(read, dict) or not all(isinstance(value, str) for value in read.values()):
        raise _damaged(path)
    return {str(role): value for role, value in read.items()}


def require_roles(connection: psycopg.Connection, where: str) -> None:
    """Check that the roles are there as they must be; make them where this account may.

    Raises
    ------
    SetupError
        They are not, and this account may not make them so; the hint is what an administrator must run.
    """
    if not _missing(connection):
        return
    try:
        with connection.transaction():
            # Another installation on the same server may do this at the same moment.
            connection.execute(f"SELECT pg_advisory_xact_lock({Lock.ROLES})")
            for statement in _missing(connection):
                connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege as error:
        needed = " ".join(f"{statement.as_string(connection)};" for statement in _missing(connection))
        raise SetupError(
            "the account of the database may not make the roles that are needed",
            where=where,
            hint=f"let an administrator of that server run, in this database: {needed}",
        ) from error


def _missing(connection: psycopg.Connection) -> list[sql.Composed]:
    """Return the statements that bring the roles to what they must be."""
    membership = "SET" if connection.info.server_version >= _SET_ROLE_SINCE else "MEMBER"
    found = {
        row[0]: row[1:] for row in connection.execute(_ATTRIBUTES, [membership, list(_WANTED)]).fetchall()
    }
    lines = []
    for role, wanted in _WANTED.items():
        name = sql.Identifier(role)
        if role not in found:
            lines.append(sql.SQL("CREATE ROLE {} " + wanted).format(name))
            continue
        can_login, is_super, bypasses, _ = found[role]
        for there, needed, attribute in (
            (can_login, role != AUDIT, "LOGIN"),
            (is_super, False, "SUPERUSER"),
            (bypasses, role == TWIN, "BYPASSRLS"),
        ):
            if there != needed:
                word = attribute if needed else f"NO{attribute}"
                lines.append(sql.SQL("ALTER ROLE {} " + word).format(name))
    # The owner hands the function that writes the record over to this role: for that it must be in the role,
    # which in turn must be able to own something here.
    if AUDIT in found and found[AUDIT][3]:
        return lines
    audit, owner = sql.Identifier(AUDIT), sql.Identifier(connection.info.user)
    lines.append(sql.SQL("GRANT {} TO {}").format(audit, owner))
    lines.append(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(audit))
    return lines


def ensure_logins(owner_url: str, path: Path) -> dict[str, str]:
    """Make sure that the three roles can sign in to a server of somebody else; return their passwords.

    Passwords are made once and kept in a file that only its owner can read; the server is told only what it
    checks them against (SCRAM-SHA-256). Where the roles come in without a password none is set.

    Parameters
    ----------
    owner_url
        URL of the database's owner; the roles must be there (`require_roles`).
    path
        File of the passwords.

    Raises
    ------
    SetupError
        This account may not set them, or another installation did and keeps them.
    """
    known = read_passwords(path)
    shut = [role for role in LOGINS if not _comes_in(owner_url, role, known.get(role))]
    if not shut:
        return known
    passwords = {role: known.get(role) or secrets.token_urlsafe(32) for role in LOGINS}
    url = make_url(owner_url)
    with psycopg.connect(
        role_url(owner_url, url.username or "", url.password and str(url.password)).replace("+psycopg", ""),
        connect_timeout=_CONNECT_TIMEOUT_S,
        autocommit=True,
    ) as connection:
        _refuse_other_installation(connection, path)
        verifiers = {
            role: connection.pgconn.encrypt_password(
                passwords[role].encode(), role.encode(), b"scram-sha-256"
            ).decode()
            for role in shut
        }
        write_closed(path, json.dumps(passwords, indent=2) + "\n")
        try:
            with connection.transaction():
                for statement in _password_statements(verifiers, path):
                    connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege as error:
            script = path.with_suffix(".sql")
            lines = [
                statement.as_string(connection) + ";\n" for statement in _password_statements(verifiers, path)
            ]
            write_closed(script, "".join(lines))
            raise SetupError(
                "this account may not set the passwords of the database's roles",
                where=url.render_as_string(hide_password=True),
                hint=f"let an administrator of that server run {script}, then start again",
            ) from error
    still = [role for role in shut if not _comes_in(owner_url, role, passwords[role])]
    if still:
        raise SetupError(
            f"the database does not let {', '.join(still)} in with a password",
            where=url.render_as_string(hide_password=True),
            hint="let its pg_hba.conf take scram-sha-256 for these roles from this machine",
        )
    return passwords


def _refuse_other_installation(connection: psycopg.Connection, path: Path) -> None:
    """Refuse to change passwords that another installation on the same server signs in with."""
    row = connection.execute(
        "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = %s", [APP]
    ).fetchone()
    said = str(row[0]) if row is not None and row[0] else ""
    if said.startswith(_KEPT_BY) and said != _KEPT_BY + _here(path):
        raise SetupError(
            "another installation on this database server made the passwords of the roles",
            where=said.removeprefix(_KEPT_BY),
            hint=f"copy that file to {path}; or, if it is gone for good: COMMENT ON ROLE {APP} IS NULL",
        )


def _password_statements(verifiers: Mapping[str, str], path: Path) -> list[sql.Composed]:
    return [
        *(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier))
            for role, verifier in verifiers.items()
        ),
        sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(APP), sql.Literal(_KEPT_BY + _here(path))),
    ]


def _here(path: Path) -> str:
    return f"{os.uname().nodename}:{path.absolute()}"


def _comes_in(owner_url: str, role: str, password: str | None) -> bool:
    url = role_url(owner_url, role, password).replace("+psycopg", "")
    try:
        psycopg.connect(url, connect_timeout=_CONNECT_TIMEOUT_S).close()
    except psycopg.OperationalError:
        return False
    return True


def _damaged(path: Path) -> SetupError:
    return SetupError(
        "the file with the passwords of the database's roles is damaged",
        where=str(path),
        hint="bring it back from the backup, or remove it: new ones are made at the next start",
    )
