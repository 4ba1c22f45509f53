"""Let a closed case wait for somebody to look at it again whose reporter was dissatisfied.

Revision 0038, after 0037.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from twin.store.roles import APP, TWIN

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

_INDEX = "ix_case_file_review"
# Fields of `twin.cases.states.CaseState` but the new one.
_ACTED = (
    *("stage_since", "stage_due_at", "clock_at", "outcome", "asked", "pauses", "clock_events"),
    *("supervised_by", "called_up", "linked_to", "repeats", "repaired_by", "extensions", "reworks"),
    *("rating", "filed_at", "organisation_id", "parked_at", "stage", "category_code", "priority"),
    *("worker_id", "due_at", "closed_at", "version"),
)


def _numbered(columns: tuple[str, ...]) -> None:
    old, new = (", ".join(f"{row}.{name}" for name in columns) for row in ("OLD", "NEW"))
    op.execute("DROP TRIGGER case_acts_are_numbered ON case_file")
    op.execute(
        "CREATE TRIGGER case_acts_are_numbered BEFORE UPDATE ON case_file FOR EACH ROW "
        f"WHEN (({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION case_acts_are_numbered()"
    )


def upgrade() -> None:
    op.add_column("case_file", sa.Column("review_since", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_case_file_review"), "case_file", "review_since IS NULL OR rating <= 2"
    )
    op.create_index(
        _INDEX, "case_file", ["review_since"], postgresql_where=sa.text("review_since IS NOT NULL")
    )
    op.execute(f"GRANT UPDATE (review_since) ON case_file TO {APP}, {TWIN}")
    _numbered((*_ACTED, "review_since"))


def downgrade() -> None:
    _numbered(_ACTED)
    op.drop_index(_INDEX, "case_file")
    op.drop_column("case_file", "review_since")
