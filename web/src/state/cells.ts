/** Hold the aggregates by H3 cell that come instead of points below the point zoom. */
import { cellToLatLng, cellToParent, getResolution, splitLongToH3Index } from 'h3-js';
import type { CellColumns } from '../api/frames.ts';

export interface Cell {
  cell: string;
  count: number;
  abnormal: number;
  /** Highest state code in the cell. */
  worst: number;
  lon: number;
  lat: number;
}

/** Cells of one layer: each layer of the subscription has its own block with the same cells. */
export class CellStore {
  private readonly cells = new Map<string, Cell>();
  version = 0;

  get size(): number {
    return this.cells.size;
  }

  values(): Cell[] {
    return [...this.cells.values()];
  }

  clear(): void {
    if (this.cells.size) this.version += 1;
    this.cells.clear();
  }

  apply(block: CellColumns): void {
    for (let i = 0; i < block.count; i++) {
      const cell = splitLongToH3Index(block.halves[2 * i], block.halves[2 * i + 1]);
      if (block.total[i] === 0) {
        this.cells.delete(cell);
        continue;
      }
      const held = this.cells.get(cell);
      if (held) {
        held.count = block.total[i];
        held.abnormal = block.abnormal[i];
        held.worst = block.worst[i];
      } else {
        const [lat, lon] = cellToLatLng(cell);
        this.cells.set(cell, { cell, count: block.total[i], abnormal: block.abnormal[i], worst: block.worst[i], lon, lat });
      }
    }
    this.version += 1;
  }

  /** All devices of the cells by their worst state, for the counts of the legend. */
  total(): { count: number; abnormal: number } {
    let count = 0;
    let abnormal = 0;
    for (const c of this.cells.values()) {
      count += c.count;
      abnormal += c.abnormal;
    }
    return { count, abnormal };
  }
}

/**
 * Merge cells into their parents of a resolution, so that clusters do not crowd.
 *
 * The place of a cluster is the mean of its cells weighted by count; its state is that of its worst member.
 */
export function merge(cells: Cell[], resolution: number): Cell[] {
  const merged = new Map<string, Cell>();
  for (const c of cells) {
    const key = getResolution(c.cell) > resolution ? cellToParent(c.cell, resolution) : c.cell;
    const m = merged.get(key);
    if (!m) {
      merged.set(key, { ...c, cell: key });
      continue;
    }
    const count = m.count + c.count;
    m.lon = (m.lon * m.count + c.lon * c.count) / count;
    m.lat = (m.lat * m.count + c.lat * c.count) / count;
    m.count = count;
    m.abnormal += c.abnormal;
    m.worst = Math.max(m.worst, c.worst);
  }
  return [...merged.values()];
}
