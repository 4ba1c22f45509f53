/** Find the point nearest to the cursor on the CPU: picking by GPU would stall each mouse move. */
import type { Map as MapLibreMap } from 'maplibre-gl';

const HOVER_RADIUS_PX = 12;

/** Places of rows: lon, lat (degrees), height (m). */
export interface Points {
  position: Float64Array;
  length: number;
}

export interface Nearest {
  type: 'device' | 'worker';
  row: number;
}

export function nearest(map: Pick<MapLibreMap, 'unproject'>, board: { devices: Points; workers: Points }, x: number, y: number): Nearest | null {
  const at = map.unproject([x, y]);
  const side = map.unproject([x + HOVER_RADIUS_PX, y]);
  const below = map.unproject([x, y + HOVER_RADIUS_PX]);
  const k = Math.cos((at.lat * Math.PI) / 180);
  const reach = Math.max(((side.lng - at.lng) * k) ** 2 + (side.lat - at.lat) ** 2, ((below.lng - at.lng) * k) ** 2 + (below.lat - at.lat) ** 2);
  let best: Nearest | null = null;
  let bestDistance = reach;
  for (const type of ['device', 'worker'] as const) {
    const rows = type === 'device' ? board.devices : board.workers;
    const { position, length } = rows;
    for (let row = 0; row < length; row++) {
      const dx = (position[3 * row] - at.lng) * k;
      const dy = position[3 * row + 1] - at.lat;
      const d = dx * dx + dy * dy;
      if (d < bestDistance) {
        bestDistance = d;
        best = { type, row };
      }
    }
  }
  return best;
}
