"""Number the advisory locks of the database: what one at a time does, whichever server it is in.

Beside these, locks are taken on the hash of a name, where there is one for each account or table. A number
that was ever given stays what it is: two builds may run beside each other, and the functions that a
migration made hold the numbers of its day.
"""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class Lock(IntEnum):
    """What is done by one at a time; the number stands in the statement that takes the lock."""

    MIGRATIONS = 7105300
    """Bring the database to what this build knows."""
    JOURNAL = 7105301
    """Give the next numbers of the journal, held to the commit."""
    IMPORTS = 7105302
    """Write a file into the model."""
    RECORD = 7105303
    """Append to the chain of the record of acts, held to the commit."""
    RETENTION = 7105304
    """Delete what was kept for its time."""
    SLOTS = 7105305
    """Number the next property of a device; taken together with the id of the device."""
    CASE_CLOCKS = 7105306
    """Tell that the time of a case is running out or over."""
    PARTNERS = 7105307
    """Tell partners what happened to cases."""
    ROLES = 7105308
    """Make the roles that log in."""
    ALARM_GROUPS = 7105310
    """Put alarms into groups, held to the commit."""
    ASSIGNMENTS = 7105313
    """Go on with assignments that were not answered, or whose turn has come."""
    ALARM_CASES = 7105311
    """Let groups of alarms raise cases, and put back what was put aside."""
    STREETS = 7105312
    """Write the network of streets for planners' SQL, held to the commit."""
