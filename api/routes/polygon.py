"""Read a polygon somebody drew."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class PolygonBody(BaseModel):
    """A polygon of GeoJSON, degrees WGS 84."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["Polygon"]
    coordinates: Annotated[
        list[
            Annotated[
                list[
                    tuple[
                        Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)],
                        Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)],
                    ]
                ],
                Field(min_length=4, max_length=1_000),
            ]
        ],
        Field(min_length=1, max_length=20),
    ]

    @model_validator(mode="after")
    def _closed(self) -> PolygonBody:
        if any(ring[0] != ring[-1] for ring in self.coordinates):
            raise ValueError("each ring of a polygon ends where it begins")
        return self
