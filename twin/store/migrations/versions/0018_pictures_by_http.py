"""Keep addresses of pictures that begin with http:// too: the example of GeoReport has one.

Revision 0018, after 0017.
"""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_NAME = "ck_case_report_media_url"


def upgrade() -> None:
    op.drop_constraint(op.f(_NAME), "case_report", type_="check")
    op.create_check_constraint(
        op.f(_NAME), "case_report", "media_url ~ '^https?://' AND char_length(media_url) <= 500"
    )


def downgrade() -> None:
    op.execute("UPDATE case_report SET media_url = NULL WHERE media_url LIKE 'http://%'")
    op.drop_constraint(op.f(_NAME), "case_report", type_="check")
    op.create_check_constraint(
        op.f(_NAME), "case_report", "media_url LIKE 'https://%' AND char_length(media_url) <= 500"
    )
