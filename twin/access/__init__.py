"""Decide who may see and do what: roles at areas, the scopes they give, and the record of what was done."""
