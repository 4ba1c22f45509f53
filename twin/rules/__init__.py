"""Turn observations into states and states into alarms; one file a kind of rule."""
