"""Judge the readings of one series one by one, in plain Python: what the evaluators are held against."""

from __future__ import annotations

from twin.rules.conditions import Limit, Rate, Silence

US = 1_000_000
Events = list[tuple[bool, int]]


def limit(condition: Limit, readings: list[tuple[int, float]], end_us: int, *, ripens: bool = True) -> Events:
    """When a limit begins (True) and ends (False) to hold; ``readings`` are (time in µs, number or None)."""
    events: Events = []
    on, since = False, None
    hold = round(condition.hold_s * US)

    def beyond(number: float, back: float = 0.0, strict: bool = False) -> bool:
        if condition.above is not None:
            edge = condition.above - back
            return number > edge if strict else number >= edge
        edge = condition.below + back
        return number < edge if strict else number <= edge

    for time, number in [*readings, (end_us, "end")]:
        if ripens and since is not None and not on and since + hold < time:
            on = True
            events.append((True, since + hold))
        if number == "end":
            break
        if number is None:
            since = None
            continue
        if beyond(number):
            since = time if since is None else since
            if not on and time - since >= hold:
                on = True
                events.append((True, time))
        else:
            since = None
            if on and not beyond(number, condition.hysteresis, strict=True):
                on = False
                events.append((False, time))
    return events


def rates(condition: Rate, readings: list[tuple[int, float]]) -> list[tuple[int, float | None]]:
    """How fast a value changes at each reading, None where not known."""
    window = round(condition.window_s * US)
    kept: list[tuple[int, float]] = []
    found = []
    for time, value in readings:
        within = [one for one in kept if time - window <= one[0] < time]
        rate = None
        if within and 2 * (time - within[0][0]) >= window:
            rate = (value - within[0][1]) / (time - within[0][0]) * (condition.per_s * US)
        found.append((time, rate))
        if not kept or 16 * (time - kept[-1][0]) >= window:
            kept.append((time, value))
    return found


def silence(condition: Silence, times: list[int], end_us: int) -> Events:
    """When a silence begins and ends."""
    events: Events = []
    after = round(condition.after_s * US)
    for n, time in enumerate(times):
        if n and time - times[n - 1] > after:
            events += [(True, times[n - 1] + after), (False, time)]
    if times and times[-1] + after < end_us:
        events.append((True, times[-1] + after))
    return events
