/** Choose what a chart of readings shows: its time, its values, and where the words at its limits stand. Pure. */
import type { Limit } from '../api/schema.ts';

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

/** The value from which on a limit holds. */
export function level(limit: Limit): number | null {
  return limit.above ?? limit.below ?? null;
}

/**
 * Lowest and highest value of the axis: the readings, the next limit on either side of them, and every limit
 * that is not far beyond.
 *
 * A chart without its next limit would show noise as large as an alarm.
 */
export function valueRange(v: readonly (number | null)[], limits: readonly Limit[]): [number, number] {
  const known = v.filter((x): x is number => x !== null && Number.isFinite(x));
  if (!known.length) return [0, 1];
  const least = Math.min(...known);
  const most = Math.max(...known);
  const levels = limits.map(level).filter((y): y is number => y !== null);
  const next = Math.min(...levels.filter((y) => y >= most));
  const before = Math.max(...levels.filter((y) => y <= least));
  let hi = Number.isFinite(next) ? next : most;
  let lo = Number.isFinite(before) ? before : least;
  const reach = Math.max(hi - lo, Math.abs(hi) * 0.1, 1e-6);
  for (const y of levels) {
    if (y > hi && y < most + 6 * reach) hi = y;
    if (y < lo && y > least - 6 * reach) lo = y;
  }
  const pad = (hi - lo) * 0.12 || Math.abs(hi) * 0.1 || 1;
  return [lo >= 0 && lo < (hi - lo) * 0.5 ? 0 : lo - pad, hi + pad];
}

/**
 * Move words apart that would stand on each other: none lower than it wishes unless the top leaves no room.
 *
 * Takes and gives the place of the foot of each, px from above, in the order given; they end up at least `gap`
 * apart and, where there is room for all, between `top` and the lowest wish.
 */
export function apart(wishes: readonly number[], gap: number, top: number): number[] {
  const order = wishes.map((_y, i) => i).sort((a, b) => wishes[b] - wishes[a]);
  const out = [...wishes];
  order.forEach((at, i) => {
    if (i) out[at] = Math.min(wishes[at], out[order[i - 1]] - gap);
  });
  order.reverse().forEach((at, i) => {
    out[at] = Math.max(out[at], i ? out[order[i - 1]] + gap : top);
  });
  return out;
}
