/** Let moving people glide from the place last shown to their newest fix, never beyond it. */

/** A way longer than this between two fixes was not walked in view: it is not glided, m. */
export const JUMP_M = 150;
/** Between two steps, ms: people walk a few centimetres in that time. */
export const STEP_MS = 100;
/** Time for a way when the reporting interval is not known yet, ms; and its bounds. */
const FIRST_MS = 5_000;
const LEAST_MS = 500;
const MOST_MS = 15_000;
const M_PER_DEGREE = 111_195;

/** The part of a row store that is read. */
export interface MovingRows {
  length: number;
  id: Uint32Array;
  position: Float64Array;
}

interface Way {
  fromLon: number;
  fromLat: number;
  toLon: number;
  toLat: number;
  startMs: number;
  /** Reporting interval as seen between the last two fixes. */
  lastsMs: number;
  fixMs: number;
  moving: boolean;
  /** Number of the reading in which the id was last seen. */
  seen: number;
}

export function distanceM(aLon: number, aLat: number, bLon: number, bLat: number): number {
  const x = (bLon - aLon) * Math.cos((((aLat + bLat) / 2) * Math.PI) / 180);
  return Math.hypot(x, bLat - aLat) * M_PER_DEGREE;
}

export class Glide {
  /** Places to draw, row by row as in the store: lon, lat (degrees), height (m). */
  shown: Float64Array = new Float64Array(0);
  private readonly ways = new Map<number, Way>();
  private reading = 0;

  /** Read new fixes. With `still` (reduced motion, hidden page) everything stands at its newest fix at once. */
  read(rows: MovingRows, nowMs: number, still = false): void {
    this.reading += 1;
    for (let row = 0; row < rows.length; row++) {
      const id = rows.id[row];
      const lon = rows.position[3 * row];
      const lat = rows.position[3 * row + 1];
      const way = this.ways.get(id);
      if (!way) {
        this.ways.set(id, { fromLon: lon, fromLat: lat, toLon: lon, toLat: lat, startMs: nowMs, lastsMs: FIRST_MS, fixMs: nowMs, moving: false, seen: this.reading });
        continue;
      }
      way.seen = this.reading;
      if (way.toLon === lon && way.toLat === lat) {
        if (still) way.moving = false;
        continue;
      }
      const [atLon, atLat] = place(way, nowMs);
      if (way.fixMs !== nowMs) way.lastsMs = Math.min(MOST_MS, Math.max(LEAST_MS, nowMs - way.fixMs));
      way.fixMs = way.startMs = nowMs;
      way.moving = !still && distanceM(atLon, atLat, lon, lat) <= JUMP_M;
      way.fromLon = way.moving ? atLon : lon;
      way.fromLat = way.moving ? atLat : lat;
      way.toLon = lon;
      way.toLat = lat;
    }
    if (this.ways.size > rows.length) for (const [id, way] of this.ways) if (way.seen !== this.reading) this.ways.delete(id);
  }

  /**
   * Set the places for a moment.
   *
   * Returns whether any row is still on its way, and whether one that moved lies within `view` (west, south,
   * east, north): only then is there anything to draw.
   */
  step(rows: MovingRows, nowMs: number, view: [number, number, number, number]): { moving: boolean; visible: boolean } {
    const { length } = rows;
    // a new array each time: what draws it tells data apart by identity
    const shown = rows.position.slice(0, 3 * length);
    let moving = false;
    let visible = false;
    for (let row = 0; row < length; row++) {
      const way = this.ways.get(rows.id[row]);
      if (!way?.moving) continue;
      const [lon, lat] = place(way, nowMs);
      shown[3 * row] = lon;
      shown[3 * row + 1] = lat;
      visible ||= lon > view[0] && lat > view[1] && lon < view[2] && lat < view[3];
      if (nowMs - way.startMs >= way.lastsMs) way.moving = false;
      else moving = true;
    }
    this.shown = shown;
    return { moving, visible };
  }

  get moving(): boolean {
    for (const way of this.ways.values()) if (way.moving) return true;
    return false;
  }

  clear(): void {
    this.ways.clear();
  }
}

function place(way: Way, nowMs: number): [number, number] {
  if (!way.moving) return [way.toLon, way.toLat];
  const t = Math.max(0, Math.min(1, (nowMs - way.startMs) / way.lastsMs));
  if (t === 1) return [way.toLon, way.toLat];
  return [way.fromLon + (way.toLon - way.fromLon) * t, way.fromLat + (way.toLat - way.fromLat) * t];
}
