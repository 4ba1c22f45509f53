/** Let the older parts of trails be fainter. Pure. */

export interface Dated {
  path: [number, number][];
  /** Unix seconds, one a position, oldest first. */
  timestamps: number[];
}

type Rgb = readonly number[];

/** Strength of what is as old as the oldest, 0 to 255. */
const OLDEST = 14;
const NEWEST = 255;

/** Whether the records of a path layer carry the time of each position. */
export function isDated(data: unknown): data is Dated[] {
  return Array.isArray(data) && data.length > 0 && Array.isArray((data[0] as Dated).timestamps);
}

/** The time that the records cover, s. */
export function covered(trails: Dated[]): { from: number; to: number } {
  let from = Infinity;
  let to = -Infinity;
  for (const { timestamps } of trails) {
    if (!timestamps.length) continue;
    from = Math.min(from, timestamps[0]);
    to = Math.max(to, timestamps[timestamps.length - 1]);
  }
  return { from, to };
}

/** A colour with its strength for each position of a trail: full for the newest, and falling with the square of age. */
export function faded(trail: Dated, colour: Rgb, { from, to }: { from: number; to: number }): [number, number, number, number][] {
  const span = Math.max(1, to - from);
  return trail.timestamps.map((t) => {
    const fresh = Math.max(0, Math.min(1, (t - from) / span));
    return [colour[0], colour[1], colour[2], Math.round(OLDEST + (NEWEST - OLDEST) * fresh * fresh)];
  });
}
