"""Store invented organisations."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

ORGANISATION: Final = text(
    """
    INSERT INTO organisation (code, name, name_en, kind, parent_id, simulated)
    VALUES (:code, :name, :name_en, :kind, :parent, true)
    ON CONFLICT (code) DO UPDATE SET name = excluded.name, name_en = excluded.name_en,
        parent_id = excluded.parent_id, simulated = true
    RETURNING id
    """
)
"""Store one by its code, with its parent or without; returns its id."""
