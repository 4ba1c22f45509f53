/** Take out of the live devices those that move: they glide, and point the way they go. */
import type { RowStore } from '../state/rows.ts';
import type { MovingRows } from './glide.ts';
import { distanceM } from './glide.ts';

/** A shorter way than this is an error of the receiver and no direction, m. */
const TURNS_AFTER_M = 6;
/** Latitude where nobody looks: the plain dot of what is drawn as a vehicle is put there. */
const AWAY = -85;

interface Way {
  lon: number;
  lat: number;
  heading: number;
}

export class Vehicles implements MovingRows {
  length = 0;
  id: Uint32Array = new Uint32Array(0);
  position: Float64Array = new Float64Array(0);
  state: Uint8Array = new Uint8Array(0);
  /** Clockwise from north, rad. */
  heading: Float32Array = new Float32Array(0);
  private rows: number[] = [];
  private ways = new Map<number, Way>();

  /** Read the rows of some kinds anew. */
  read(devices: RowStore, kinds: ReadonlySet<number>): void {
    this.rows = [];
    if (kinds.size) for (let row = 0; row < devices.length; row++) if (kinds.has(devices.kind[row])) this.rows.push(row);
    this.length = this.rows.length;
    this.id = new Uint32Array(this.length);
    this.position = new Float64Array(3 * this.length);
    this.state = new Uint8Array(this.length);
    this.heading = new Float32Array(this.length);
    const ways = new Map<number, Way>();
    this.rows.forEach((row, n) => {
      const id = (this.id[n] = devices.id[row]);
      const [lon, lat] = devices.position.subarray(3 * row, 3 * row + 2);
      this.position.set(devices.position.subarray(3 * row, 3 * row + 3), 3 * n);
      this.state[n] = devices.state[row];
      let way = this.ways.get(id) ?? { lon, lat, heading: 0 };
      if (distanceM(way.lon, way.lat, lon, lat) >= TURNS_AFTER_M)
        way = { lon, lat, heading: Math.atan2((lon - way.lon) * Math.cos((lat * Math.PI) / 180), lat - way.lat) };
      ways.set(id, way);
      this.heading[n] = way.heading;
    });
    this.ways = ways;
  }

  /** The places of all devices, without the dots of these. */
  others(devices: RowStore): Float64Array {
    const position = devices.position.slice(0, 3 * devices.length);
    for (const row of this.rows) position[3 * row + 1] = AWAY;
    return position;
  }
}
