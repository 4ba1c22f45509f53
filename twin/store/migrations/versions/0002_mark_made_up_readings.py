"""Mark real devices whose readings are made up, and keep English addresses of what we place ourselves.

Revision 0002, after 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Until now the simulator spoke for every camera of a map extract wherever it simulated devices at all.
_MARK = """
    UPDATE device SET readings_simulated = true FROM dataset s
    WHERE s.id = device.dataset_id AND s.kind = 'osm' AND device.kind = 'camera' AND device.valid_to IS NULL
      AND EXISTS (SELECT FROM device WHERE simulated AND valid_to IS NULL)
"""


def upgrade() -> None:
    op.add_column("device", sa.Column("address_en", sa.Text(), nullable=True))
    op.add_column(
        "device",
        sa.Column("readings_simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.execute(_MARK)


def downgrade() -> None:
    op.drop_column("device", "readings_simulated")
    op.drop_column("device", "address_en")
