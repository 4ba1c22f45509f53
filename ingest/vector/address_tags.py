"""Read addresses out of ``addr:*`` tags and write them as people of the place do."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.vector.tag_values import Tags, clean


@dataclass(frozen=True, slots=True)
class AddressText:
    """An address in parts and in words; empty parts are None."""

    street: str | None
    house_number: str | None
    unit: str | None
    floor: str | None
    text: str


def has_address(tags: Tags) -> bool:
    """Whether any tag is part of an address."""
    return any(key.startswith("addr:") for key in tags)


def is_chinese(text: str) -> bool:
    """Whether a text holds a Chinese character."""
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def address_of(tags: Tags) -> AddressText | None:
    """Return the address that tags give, None where they do not tell one door from another.

    A house number, house name or full text is needed; a street or a post code alone is no address. In
    Chinese the whole comes before the part (天府大道北段1700号1幢), elsewhere the street before the number.
    """
    street = clean(tags.get("addr:street") or tags.get("addr:place"))
    house_number = clean(tags.get("addr:housenumber") or tags.get("addr:conscriptionnumber"))
    name = clean(tags.get("addr:housename"))
    full = clean(tags.get("addr:full"))
    if not (house_number or name or full):
        return None
    unit = clean(tags.get("addr:unit") or tags.get("addr:door") or tags.get("addr:flats"))
    floor = clean(tags.get("addr:floor"))
    if full:
        text = full
    elif is_chinese((street or "") + (house_number or "") + (name or "")):
        number = f"{house_number}号" if house_number and house_number[-1].isdigit() else (house_number or "")
        city = clean(tags.get("addr:city")) or ""
        district = clean(tags.get("addr:district")) or ""
        text = "".join(part for part in (city, district, street, number, name, unit) if part)
    else:
        text = " ".join(part for part in (street or name, house_number, unit) if part)
    return AddressText(street, house_number, unit, floor, text)
