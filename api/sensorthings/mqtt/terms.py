"""Say where SensorThings is spoken by MQTT."""

from __future__ import annotations

from typing import Final

PATH: Final = "/sta/mqtt"
