"""Let reports be filed as cases by channels that read nothing, and tell them how theirs are doing.

Revision 0011, after 0010.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from twin.store.roles import APP

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# The case is asked under its own policies.
_READ = "EXISTS (SELECT FROM case_file AS c WHERE c.id = case_report.case_id)"

_REPORTED = "('resident', 'hotline')"

# Where the caller may file a case of this source: a channel only what was reported.
_MAY_FILE = f"""
CREATE FUNCTION gt_may_file(source text) RETURNS int8multirange LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT gt_scope('may_case_write')
        + CASE WHEN source IN {_REPORTED} THEN gt_scope('may_case_report') ELSE '{{}}' END
$$
"""

# Under a lock to the end of the transaction, so that two equal reports side by side make one case. A key
# made of the words alone is let go after a while: the same thing may be reported again.
_CLAIM = """
CREATE FUNCTION claim_filing(
    account_id uuid, client_key bytea, sent_sha256 bytea, same_for interval, most_per_minute integer,
    OUT wait_s integer, OUT other boolean, OUT case_id bigint, OUT number text, OUT token_id uuid
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    oldest timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('filing/' || account_id, 0));
    IF same_for IS NOT NULL THEN
        UPDATE case_report AS r SET client_key = NULL
        WHERE r.account_id = claim_filing.account_id AND r.client_key = claim_filing.client_key
          AND r.filed_at < clock_timestamp() - same_for;
    END IF;
    wait_s := 0;
    other := false;
    SELECT c.id, c.number, r.token_id, r.sent_sha256 <> claim_filing.sent_sha256
    INTO case_id, number, token_id, other
    FROM case_report AS r JOIN case_file AS c ON c.id = r.case_id
    WHERE r.account_id = claim_filing.account_id AND r.client_key = claim_filing.client_key;
    IF case_id IS NOT NULL THEN
        RETURN;
    END IF;
    other := false;
    SELECT r.filed_at INTO oldest FROM case_report AS r
    WHERE r.account_id = claim_filing.account_id AND r.filed_at > clock_timestamp() - interval '1 minute'
    ORDER BY r.filed_at DESC OFFSET most_per_minute - 1 LIMIT 1;
    IF oldest IS NOT NULL THEN
        wait_s := greatest(1, ceil(extract(epoch FROM oldest + interval '1 minute' - clock_timestamp())));
    END IF;
END $$
"""

# As its owner: who files sees neither cases nor the journal. Whether they may, and where, is asked here of
# the same settings that policies ask; the trigger of the table has placed the row by then. The lock of the
# journal is a statement of its own, see twin.store.journal.
_FILE = """
CREATE FUNCTION file_case(
    day date, title text, title_en text, category_code text, source text, priority integer,
    lon float8, lat float8, address text, reporter_id uuid, simulated boolean,
    account_id uuid, client_key bytea, sent_sha256 bytea, token_id uuid, token_sha256 bytea, description text,
    media_url text, attributes jsonb,
    OUT case_id bigint, OUT number text, OUT scope_code bigint, OUT opened_at timestamptz
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    place geometry := ST_SetSRID(ST_MakePoint(lon, lat), 4326);
    counted integer;
    newest bigint;
BEGIN
    scope_code := gt_scope_of(place);
    IF scope_code = 0 OR NOT scope_code <@ gt_may_file(source) THEN
        RAISE EXCEPTION 'no case may be filed there' USING ERRCODE = 'insufficient_privilege',
            CONSTRAINT = 'file_case';
    END IF;
    INSERT INTO case_series AS s (day, last) VALUES (file_case.day, 1)
        ON CONFLICT ON CONSTRAINT pk_case_series DO UPDATE SET last = s.last + 1
        RETURNING s.last INTO counted;
    number := to_char(day, 'YYYYMMDD') || '-' || lpad(counted::text, greatest(5, length(counted::text)), '0');
    INSERT INTO case_file AS c (number, title, title_en, category_code, source, priority, geom, address,
        unit_grid_id, responsibility_grid_id, reporter_id, opened_at, simulated)
    VALUES (number, title, title_en, category_code, source, priority, place, address,
        (SELECT a.id FROM area AS a WHERE a.valid_to IS NULL AND a.level = 'unit_grid'
            AND a.geom && place AND ST_Intersects(a.geom, place) ORDER BY a.id LIMIT 1),
        (SELECT a.id FROM area AS a WHERE a.valid_to IS NULL AND a.level = 'responsibility_grid'
            AND a.geom && place AND ST_Intersects(a.geom, place) ORDER BY a.code LIMIT 1),
        reporter_id, clock_timestamp(), simulated)
    RETURNING c.id, c.scope_code, c.opened_at INTO case_id, scope_code, opened_at;
    INSERT INTO case_report (case_id, account_id, client_key, sent_sha256, token_id, token_sha256,
        description, media_url, attributes, filed_at)
    VALUES (case_id, account_id, client_key, sent_sha256, token_id, token_sha256, description, media_url,
        attributes, clock_timestamp());
    PERFORM pg_advisory_xact_lock(7105301);
    INSERT INTO journal (seq, at, kind, subject, area_code, actor, data)
    VALUES (journal_newest() + 1, clock_timestamp(), 'case.filed', 'case/' || case_id,
        lpad(scope_code::text, 15, '0'), 'account/' || account_id,
        jsonb_build_object('case_id', case_id, 'number', number, 'title', title, 'title_en', title_en,
            'category', category_code, 'source', source, 'stage', 'collected', 'lon', lon, 'lat', lat,
            'simulated', simulated))
    RETURNING seq INTO newest;
    PERFORM pg_notify('journal', newest::text);
END $$
"""

# What a channel is told: of its own reports what was said, of others in its area only that there is one. The
# place of those is rounded to half a thousandth of a degree (56 m north-south), their words stay inside.
_LIST = f"""
CREATE FUNCTION list_reports(
    account_id uuid, numbers text[], categories text[], since timestamptz, until timestamptz, open boolean,
    most integer, left_out integer,
    OUT number text, OUT category_code text, OUT opened_at timestamptz, OUT updated_at timestamptz,
    OUT due_at timestamptz, OUT closed_at timestamptz, OUT stage text, OUT lon float8, OUT lat float8,
    OUT own boolean, OUT address text, OUT description text, OUT media_url text
) RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT c.number, c.category_code, c.opened_at,
           coalesce(c.closed_at, (SELECT max(j.at) FROM journal AS j WHERE j.subject = 'case/' || c.id),
                    c.opened_at),
           c.due_at, c.closed_at, c.stage,
           CASE WHEN mine.own THEN ST_X(c.geom) ELSE round(ST_X(c.geom)::numeric / 0.0005) * 0.0005 END,
           CASE WHEN mine.own THEN ST_Y(c.geom) ELSE round(ST_Y(c.geom)::numeric / 0.0005) * 0.0005 END,
           mine.own, CASE WHEN mine.own THEN c.address END, CASE WHEN mine.own THEN r.description END,
           CASE WHEN mine.own THEN r.media_url END
    FROM case_file AS c LEFT JOIN case_report AS r ON r.case_id = c.id
    CROSS JOIN LATERAL (SELECT coalesce(r.account_id = list_reports.account_id, false) AS own) AS mine
    WHERE c.source IN {_REPORTED} AND c.scope_code <@ (SELECT gt_scope('may_case_report'))
      AND (list_reports.numbers IS NULL OR c.number = ANY (list_reports.numbers))
      AND (list_reports.categories IS NULL OR c.category_code = ANY (list_reports.categories))
      AND (list_reports.since IS NULL OR c.opened_at >= list_reports.since)
      AND (list_reports.until IS NULL OR c.opened_at <= list_reports.until)
      AND (list_reports.open IS NULL OR (c.closed_at IS NULL) = list_reports.open)
    ORDER BY c.opened_at DESC, c.id DESC LIMIT most OFFSET left_out
$$
"""

_REPORT_OF = """
CREATE FUNCTION report_of_token(
    token_sha256 bytea, OUT number text, OUT category_code text, OUT stage text, OUT opened_at timestamptz,
    OUT closed_at timestamptz
) RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT c.number, c.category_code, c.stage, c.opened_at, c.closed_at
    FROM case_report AS r JOIN case_file AS c ON c.id = r.case_id
    WHERE r.token_sha256 = report_of_token.token_sha256
$$
"""

# The longest address that the words begin with, where the caller may report; `spread_m` says how far apart
# several of the same words lie. Blanks and commas are no part of an address, and a number does not end
# within a longer one.
_FIND_ADDRESS = r"""
CREATE FUNCTION find_address_to_report(
    words text, OUT found text, OUT lon float8, OUT lat float8, OUT spread_m float8
) RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH given AS (SELECT lower(regexp_replace(words, '[\s,，、]', '', 'g')) AS words),
    fitting AS (
        SELECT a.text, a.geom, length(n.plain) AS letters
        FROM given, address AS a
        CROSS JOIN LATERAL (SELECT lower(regexp_replace(a.text, '[\s,，、]', '', 'g')) AS plain) AS n
        WHERE a.valid_to IS NULL AND length(n.plain) >= 3 AND starts_with(given.words, n.plain)
          AND NOT (right(n.plain, 1) ~ '[0-9]' AND substr(given.words, length(n.plain) + 1, 1) ~ '[0-9a-z]')
          AND a.scope_code <@ (SELECT gt_scope('may_case_report')))
    SELECT min(text), ST_X(ST_Centroid(ST_Collect(geom))), ST_Y(ST_Centroid(ST_Collect(geom))),
           ST_MaxDistance(ST_Transform(ST_Collect(geom), 3857), ST_Transform(ST_Collect(geom), 3857))
    FROM fitting WHERE letters = (SELECT max(letters) FROM fitting) GROUP BY letters
$$
"""

_SIGNATURES = {
    "claim_filing": "uuid, bytea, bytea, interval, integer",
    "file_case": "date, text, text, text, text, integer, float8, float8, text, uuid, boolean, uuid, bytea, "
    "bytea, uuid, bytea, text, text, jsonb",
    "list_reports": "uuid, text[], text[], timestamptz, timestamptz, boolean, integer, integer",
    "report_of_token": "bytea",  # nosec B105  # a type
    "find_address_to_report": "text",
}

_OLD_REVEAL_ITEMS = ("name", "phone", "identity_number", "address")
_REVEAL_SIGNATURE = "uuid, integer, text, uuid, text, text, text, text, jsonb"


def _reveal(items: tuple[str, ...]) -> str:
    """Return the function of revision 0007 for these items."""
    sealed = ", ".join(f"{item}_sealed" for item in items)
    return f"""
CREATE FUNCTION reveal_person(
    person_id uuid, most integer, actor text, account_id uuid, roles text, address text, object text,
    reason text, detail jsonb, OUT wait_s integer, {", ".join(f"OUT {item}_sealed bytea" for item in items)}
) RETURNS SETOF record LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    IF NOT EXISTS (
        SELECT FROM case_file AS c WHERE c.reporter_id = reveal_person.person_id
          AND c.scope_code <@ (SELECT gt_scope('case'))
          AND c.scope_code <@ (SELECT gt_scope('may_person_reveal')))
       AND NOT EXISTS (
        SELECT FROM worker AS w WHERE w.person_id = reveal_person.person_id
          AND w.scope_code <@ (SELECT gt_scope('worker'))
          AND w.scope_code <@ (SELECT gt_scope('may_person_reveal'))) THEN
        RETURN;
    END IF;
    wait_s := record_within(
        most, actor, account_id, roles, address, 'person.revealed', object, reason, detail);
    IF wait_s = 0 THEN
        SELECT {", ".join(f"p.{item}_sealed" for item in items)} INTO {sealed}
        FROM person AS p WHERE p.id = reveal_person.person_id;
    END IF;
    RETURN NEXT;
END $$
"""


def _replace_reveal(items: tuple[str, ...]) -> None:
    op.execute(f"DROP FUNCTION reveal_person({_REVEAL_SIGNATURE})")
    op.execute(_reveal(items))
    op.execute(f"REVOKE ALL ON FUNCTION reveal_person({_REVEAL_SIGNATURE}) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION reveal_person({_REVEAL_SIGNATURE}) TO {APP}")


def upgrade() -> None:
    op.create_table(
        "case_series",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_case_series")),
    )
    op.create_table(
        "case_report",
        sa.Column("case_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("client_key", sa.LargeBinary(), nullable=True),
        sa.Column("sent_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("token_id", sa.Uuid(), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("media_url", sa.Text(), nullable=True),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("filed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "octet_length(client_key) = 32 AND octet_length(sent_sha256) = 32 "
            "AND octet_length(token_sha256) = 32",
            name=op.f("ck_case_report_digests"),
        ),
        sa.CheckConstraint("char_length(description) <= 4000", name=op.f("ck_case_report_description")),
        sa.CheckConstraint(
            "media_url LIKE 'https://%' AND char_length(media_url) <= 500",
            name=op.f("ck_case_report_media_url"),
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case_file.id"], name=op.f("fk_case_report_case_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_case_report")),
        sa.UniqueConstraint("account_id", "client_key", name=op.f("uq_case_report_account_id_client_key")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_case_report_token_sha256")),
    )
    op.create_index(
        "ix_case_report_account_id_filed_at", "case_report", ["account_id", "filed_at"], unique=False
    )
    op.add_column("person", sa.Column("email_masked", sa.Text(), nullable=True))
    op.add_column("person", sa.Column("email_sealed", sa.LargeBinary(), nullable=True))
    op.create_check_constraint(
        op.f("ck_person_email_both"), "person", "(email_masked IS NULL) = (email_sealed IS NULL)"
    )
    for statement in (
        *(
            statement
            for table in ("case_report", "case_series")
            for statement in (
                f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
                f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
                f"CREATE POLICY {table}_owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)",
            )
        ),
        f"CREATE POLICY case_report_read ON case_report FOR SELECT TO {APP} USING ({_READ})",
        # The secrets' digests and who sent it are nobody's to read.
        f"GRANT SELECT (case_id, description, media_url, attributes, filed_at) ON case_report TO {APP}",
        f"GRANT SELECT (email_masked) ON person TO {APP}",
        "DROP POLICY person_insert ON person",
        f"CREATE POLICY person_insert ON person FOR INSERT TO {APP} WITH CHECK ("
        "(SELECT NOT isempty(gt_scope('may_case_write')) OR NOT isempty(gt_scope('may_case_report'))))",
        _MAY_FILE,
        _CLAIM,
        _FILE,
        _LIST,
        _REPORT_OF,
        _FIND_ADDRESS,
    ):
        op.execute(statement)
    for name, signature in _SIGNATURES.items():
        op.execute(f"REVOKE ALL ON FUNCTION {name}({signature}) FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name}({signature}) TO {APP}")
    _replace_reveal((*_OLD_REVEAL_ITEMS, "email"))


def downgrade() -> None:
    _replace_reveal(_OLD_REVEAL_ITEMS)
    for name, signature in _SIGNATURES.items():
        op.execute(f"DROP FUNCTION {name}({signature})")
    op.execute("DROP FUNCTION gt_may_file(text)")
    op.execute("DROP POLICY person_insert ON person")
    op.execute(
        f"CREATE POLICY person_insert ON person FOR INSERT TO {APP} "
        "WITH CHECK ((SELECT NOT isempty(gt_scope('may_case_write'))))"
    )
    op.drop_constraint(op.f("ck_person_email_both"), "person")
    op.drop_column("person", "email_sealed")
    op.drop_column("person", "email_masked")
    op.drop_table("case_report")
    op.drop_table("case_series")
