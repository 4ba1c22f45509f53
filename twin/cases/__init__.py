"""File cases, and name the kinds of cases there are."""
