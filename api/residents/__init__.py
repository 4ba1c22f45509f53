"""Show residents, by the link they were given, how their report is doing, and take their rating."""
