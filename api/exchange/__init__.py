"""Tell partners of cases over HTTP, each apart from the others, and apart from whoever acts on a case."""
