"""Keep the twin in PostGIS: the private cluster, the engine, migrations, the journal, the writer."""
