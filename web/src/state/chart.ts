/** Choose the time that a chart of readings shows: pure. */

/** A chart shows at least so long, s: a single reading has no width of its own. */
export const LEAST_S = 600;

/**
 * First and last second of the axis: from the first reading to now, at least ten minutes.
 *
 * It ends now and not at the newest reading, so that silence is seen as what it is. A clock that is behind the
 * newest reading does not cut it off.
 */
export function timeRange(t: readonly number[], nowS: number): [number, number] {
  const to = Math.max(t.length ? t[t.length - 1] : -Infinity, nowS);
  return [Math.min(t.length ? t[0] : Infinity, to - LEAST_S), to];
}

/** Whether so few readings are known that each is drawn as a point. */
export function isSparse(v: readonly (number | null)[]): boolean {
  return v.filter((x) => x !== null).length <= 12;
}
