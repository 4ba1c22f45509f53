/** Keep one GPU buffer of state bytes in step with a row store, writing only what changed. */
import type { Buffer, Device } from '@luma.gl/core';
import type { RowStore } from '../state/rows.ts';

interface Redrawable {
  setNeedsRedraw(): void;
}

export interface PointData {
  length: number;
  attributes: {
    getPosition: { value: Float64Array; size: 3 };
    getDevState: { buffer: Buffer; size: 1; type: 'unorm8' };
  };
}

/** Writes start and end at multiples of so many bytes. */
const ALIGN = 4;

export class LiveSource {
  private buffer: Buffer | null = null;
  private device: Device | null = null;
  private data: PointData | null = null;
  private seen = -1;
  private readonly rows: RowStore;

  constructor(rows: RowStore) {
    this.rows = rows;
  }

  /** A device was made (first, or again after a lost context): upload everything. */
  attach(device: Device): void {
    this.device = device;
    this.buffer = null;
    this.data = null;
    this.seen = -1;
  }

  detach(): void {
    this.device = null;
    this.buffer = null;
    this.data = null;
  }

  /** What the layer is given. The same object until rows come, go or move. */
  layerData(): PointData | null {
    const { rows, device } = this;
    if (!device) return null;
    if (this.data && this.seen === rows.structureVersion) return this.data;
    if (!this.buffer || this.buffer.byteLength !== rows.capacity) {
      this.buffer?.destroy();
      this.buffer = device.createBuffer({ id: 'device-state', data: rows.state });
    } else this.buffer.write(rows.state.subarray(0, aligned(rows.length, rows.capacity)), 0);
    rows.takeDirty();
    this.seen = rows.structureVersion;
    this.data = {
      length: rows.length,
      attributes: { getPosition: { value: rows.position, size: 3 }, getDevState: { buffer: this.buffer, size: 1, type: 'unorm8' } },
    };
    return this.data;
  }

  /** The same rows at other places, for rows on their way. */
  layerDataAt(position: Float64Array): PointData | null {
    const data = this.layerData();
    if (!data) return null;
    this.data = { length: data.length, attributes: { ...data.attributes, getPosition: { value: position, size: 3 } } };
    return this.data;
  }

  /** Write the changed states. True when the layer must be drawn again. */
  commit(layer: Redrawable | undefined): boolean {
    const dirty = this.rows.takeDirty();
    if (!dirty || !this.buffer) return false;
    const lo = dirty.lo - (dirty.lo % ALIGN);
    const hi = aligned(dirty.hi, this.rows.capacity);
    this.buffer.write(this.rows.state.subarray(lo, hi), lo);
    layer?.setNeedsRedraw();
    return true;
  }
}

function aligned(end: number, capacity: number): number {
  return Math.min(capacity, Math.ceil(end / ALIGN) * ALIGN);
}
