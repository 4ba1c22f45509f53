"""Take tables out of the system: whole, within a limit, on the record, and marked with who took them."""
