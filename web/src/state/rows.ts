/** Hold the present rows of one live layer as growable typed arrays. */
import type { DeltaColumns, FullColumns, LeftColumns } from '../api/frames.ts';
import { IdIndex } from './id_index.ts';

const FIRST_CAPACITY = 1024;
export const STATES = 6;

/** A half-open range of rows that changed since the last commit. */
export interface Dirty {
  lo: number;
  hi: number;
}

/**
 * Rows by index: id, position, height, value, kind, state and flags.
 *
 * Rows are dense: a removed row is replaced by the last one. `room` is the H3 room a row came with, so that
 * a new snapshot of the room can drop what it does not name.
 */
export class RowStore {
  length = 0;
  id: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  /** lon, lat (degrees) and height (m) interleaved, double precision, as deck.gl takes it. */
  position = new Float64Array(3 * FIRST_CAPACITY);
  value: Float32Array = new Float32Array(FIRST_CAPACITY);
  kind: Uint16Array = new Uint16Array(FIRST_CAPACITY);
  state: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  flags: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  private room: BigUint64Array = new BigUint64Array(FIRST_CAPACITY);
  private readonly index = new IdIndex();
  /** Rows by room, so that a snapshot of an empty room need not look at every row. */
  private readonly roomCount = new Map<bigint, number>();
  /** Rows by state code. */
  readonly counts = new Uint32Array(STATES);
  /** Grows when rows were added, removed or moved: positions must be uploaded again. */
  structureVersion = 0;
  private stateLo = Infinity;
  private stateHi = -1;

  get capacity(): number {
    return this.id.length;
  }

  rowOf(id: number): number | undefined {
    return this.index.get(id);
  }

  /** How often changed states were taken to be drawn. */
  taken = 0;

  /** The range of states that changed since the last call; null when none did. */
  takeDirty(): Dirty | null {
    if (this.stateHi < 0) return null;
    const dirty = { lo: this.stateLo, hi: Math.min(this.stateHi + 1, this.length) };
    this.stateLo = Infinity;
    this.stateHi = -1;
    if (dirty.lo >= dirty.hi) return null;
    this.taken += 1;
    return dirty;
  }

  clear(): void {
    this.length = 0;
    this.index.clear();
    this.roomCount.clear();
    this.counts.fill(0);
    this.structureVersion += 1;
    this.stateLo = Infinity;
    this.stateHi = -1;
  }

  /** Replace all that is held of the block's room. */
  snapshot(block: FullColumns): void {
    const held = this.roomCount.get(block.cell) ?? 0;
    const named = new Set(held ? block.id : []);
    for (let row = held ? this.length - 1 : -1; row >= 0; row--) if (this.room[row] === block.cell && !named.has(this.id[row])) this.removeRow(row);
    this.upsert(block);
  }

  upsert(block: FullColumns): void {
    this.reserve(this.length + block.count);
    for (let i = 0; i < block.count; i++) {
      const id = block.id[i];
      let row = this.index.get(id);
      if (row === undefined) {
        row = this.length++;
        this.index.set(id, row);
        this.id[row] = id;
        this.state[row] = 0;
        this.counts[0] += 1;
      } else this.countRoom(this.room[row], -1);
      this.countRoom(block.cell, 1);
      this.position[3 * row] = block.lonE7[i] / 1e7;
      this.position[3 * row + 1] = block.latE7[i] / 1e7;
      this.position[3 * row + 2] = block.heightM[i];
      this.value[row] = block.value[i];
      this.kind[row] = block.deviceKind[i];
      this.flags[row] = block.flags[i];
      this.room[row] = block.cell;
      this.setState(row, block.state[i]);
    }
    this.structureVersion += 1;
  }

  /** Returns how many rows were known; unknown ids are skipped (a room that we no longer hold). */
  delta(block: DeltaColumns): number {
    let known = 0;
    const { id, value, state, count } = block;
    for (let i = 0; i < count; i++) {
      const row = this.index.get(id[i]);
      if (row === undefined) continue;
      known += 1;
      this.value[row] = value[i];
      if (this.state[row] !== state[i]) this.setState(row, state[i]);
    }
    return known;
  }

  /** Drop rows that left the block's room; one that has entered another room meanwhile stays. */
  left(block: LeftColumns): void {
    for (let i = 0; i < block.count; i++) {
      const row = this.index.get(block.id[i]);
      if (row !== undefined && this.room[row] === block.cell) this.removeRow(row);
    }
    this.structureVersion += 1;
  }

  private setState(row: number, code: number): void {
    const state = code < STATES ? code : 1;
    this.counts[this.state[row]] -= 1;
    this.counts[state] += 1;
    this.state[row] = state;
    if (row < this.stateLo) this.stateLo = row;
    if (row > this.stateHi) this.stateHi = row;
  }

  private countRoom(room: bigint, by: number): void {
    const rows = (this.roomCount.get(room) ?? 0) + by;
    if (rows > 0) this.roomCount.set(room, rows);
    else this.roomCount.delete(room);
  }

  private removeRow(row: number): void {
    const last = --this.length;
    this.counts[this.state[row]] -= 1;
    this.index.delete(this.id[row]);
    this.countRoom(this.room[row], -1);
    if (row !== last) {
      this.id[row] = this.id[last];
      this.position.copyWithin(3 * row, 3 * last, 3 * last + 3);
      this.value[row] = this.value[last];
      this.kind[row] = this.kind[last];
      this.state[row] = this.state[last];
      this.flags[row] = this.flags[last];
      this.room[row] = this.room[last];
      this.index.set(this.id[row], row);
      if (row < this.stateLo) this.stateLo = row;
      if (row > this.stateHi) this.stateHi = row;
    }
  }

  private reserve(rows: number): void {
    if (rows <= this.capacity) return;
    let capacity = this.capacity;
    while (capacity < rows) capacity *= 2;
    const grow = <T extends { set(from: T): void }>(made: T, from: T): T => {
      made.set(from);
      return made;
    };
    this.id = grow<Uint32Array>(new Uint32Array(capacity), this.id);
    this.position = grow(new Float64Array(3 * capacity), this.position);
    this.value = grow<Float32Array>(new Float32Array(capacity), this.value);
    this.kind = grow<Uint16Array>(new Uint16Array(capacity), this.kind);
    this.state = grow<Uint8Array>(new Uint8Array(capacity), this.state);
    this.flags = grow<Uint8Array>(new Uint8Array(capacity), this.flags);
    this.room = grow<BigUint64Array>(new BigUint64Array(capacity), this.room);
  }
}
