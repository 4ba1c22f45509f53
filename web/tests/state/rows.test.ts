import { describe, expect, it } from 'vitest';
import { parseFrame, type DeltaColumns, type FullColumns, type LeftColumns } from '../../src/api/frames.ts';
import { RowStore } from '../../src/state/rows.ts';
import { ROOM_A, ROOM_B, delta, frame, full, left, type Full } from '../bytes.ts';

const fullBlock = (kind: 1 | 3, cell: bigint, rows: Full[]) => parseFrame(frame(1, 0, 1, [full(kind, cell, 0, rows)])).blocks[0] as FullColumns;
const deltaBlock = (cell: bigint, rows: { id: number; value: number; state: number }[]) => parseFrame(frame(1, 0, 1, [delta(cell, 0, rows)])).blocks[0] as DeltaColumns;
const leftBlock = (cell: bigint, ids: number[]) => parseFrame(frame(1, 0, 1, [left(cell, 0, ids)])).blocks[0] as LeftColumns;
const ids = (store: RowStore) => [...store.id.subarray(0, store.length)].sort((a, b) => a - b);
const row = (id: number, state = 0): Full => ({ id, lon: id / 10, lat: -id / 10, height: id, value: id, kind: id, state });

describe('RowStore', () => {
  it('keeps rows by id and finds them again', () => {
    const store = new RowStore();
    store.snapshot(fullBlock(1, ROOM_A, [row(3), row(1, 4), row(2, 5)]));
    const at = store.rowOf(1)!;
    expect(store.length).toBe(3);
    expect([store.position[3 * at], store.position[3 * at + 1], store.position[3 * at + 2]]).toEqual([0.1, -0.1, 1]);
    expect([store.state[at], store.kind[at], store.value[at]]).toEqual([4, 1, 1]);
    expect([...store.counts]).toEqual([1, 0, 0, 0, 1, 1]);
  });

  it('replaces a room by its snapshot and leaves other rooms alone', () => {
    const store = new RowStore();
    store.snapshot(fullBlock(1, ROOM_A, [row(1), row(2), row(3)]));
    store.snapshot(fullBlock(1, ROOM_B, [row(10)]));
    store.snapshot(fullBlock(1, ROOM_A, [row(2), row(4)]));
    expect(ids(store)).toEqual([2, 4, 10]);
  });

  it('removes by swap and keeps every index right', () => {
    const store = new RowStore();
    store.upsert(fullBlock(3, ROOM_A, [row(1), row(2, 3), row(3), row(4, 5)]));
    store.left(leftBlock(ROOM_A, [1, 3, 99]));
    expect(ids(store)).toEqual([2, 4]);
    for (const id of ids(store)) {
      const at = store.rowOf(id)!;
      expect(store.id[at]).toBe(id);
      expect(store.position[3 * at]).toBe(id / 10);
      expect(store.kind[at]).toBe(id);
    }
    expect(store.rowOf(1)).toBeUndefined();
    expect([...store.counts]).toEqual([0, 0, 0, 1, 0, 1]);
  });

  it('keeps a thing that entered another room before it left the first', () => {
    const store = new RowStore();
    store.upsert(fullBlock(3, ROOM_A, [row(1)]));
    store.upsert(fullBlock(3, ROOM_B, [row(1)]));
    store.left(leftBlock(ROOM_A, [1]));
    expect(ids(store)).toEqual([1]);
  });

  it('tells the range of changed states once, and only of changed ones', () => {
    const store = new RowStore();
    store.upsert(fullBlock(3, ROOM_A, [0, 1, 2, 3, 4, 5, 6, 7].map((id) => row(id))));
    store.takeDirty();
    expect(store.delta(deltaBlock(ROOM_A, [{ id: 2, value: 9, state: 0 }]))).toBe(1);
    expect(store.takeDirty()).toBeNull();
    expect(store.value[store.rowOf(2)!]).toBe(9);
    store.delta(deltaBlock(ROOM_A, [{ id: 5, value: 1, state: 4 }, { id: 3, value: 1, state: 2 }, { id: 77, value: 1, state: 5 }]));
    expect(store.takeDirty()).toEqual({ lo: 3, hi: 6 });
    expect(store.takeDirty()).toBeNull();
    expect([...store.counts]).toEqual([6, 0, 1, 0, 1, 0]);
  });

  it('grows past its first capacity without losing a row', () => {
    const store = new RowStore();
    for (let i = 0; i < 5; i++) store.upsert(fullBlock(3, ROOM_A, Array.from({ length: 1000 }, (_, k) => row(i * 1000 + k))));
    expect(store.length).toBe(5000);
    expect(store.capacity).toBe(8192);
    for (const id of [0, 999, 1024, 4999]) expect(store.id[store.rowOf(id)!]).toBe(id);
  });

  it('draws a state it does not know as unknown', () => {
    const store = new RowStore();
    store.upsert(fullBlock(3, ROOM_A, [row(1, 200)]));
    expect(store.state[0]).toBe(1);
  });

  it('agrees with a plain map over thousands of random changes', () => {
    let seed = 7;
    const random = (n: number) => (seed = (seed * 16807) % 2147483647) % n;
    const store = new RowStore();
    const model = new Map<number, { state: number; room: bigint }>();
    for (let step = 0; step < 600; step++) {
      const room = random(2) ? ROOM_A : ROOM_B;
      const some = [...new Set(Array.from({ length: 1 + random(6) }, () => random(120)))];
      const what = random(4);
      if (what === 0) {
        store.upsert(fullBlock(3, room, some.map((id) => row(id, id % 6))));
        for (const id of some) model.set(id, { state: id % 6, room });
      } else if (what === 1) {
        store.delta(deltaBlock(room, some.map((id) => ({ id, value: 1, state: step % 6 }))));
        for (const id of some) if (model.has(id)) model.get(id)!.state = step % 6;
      } else if (what === 2) {
        store.left(leftBlock(room, some));
        for (const id of some) if (model.get(id)?.room === room) model.delete(id);
      } else if (step % 7 === 0) {
        store.snapshot(fullBlock(1, room, some.map((id) => row(id, 2))));
        for (const [id, m] of [...model]) if (m.room === room) model.delete(id);
        for (const id of some) model.set(id, { state: 2, room });
      }
    }
    expect(ids(store)).toEqual([...model.keys()].sort((a, b) => a - b));
    const counts = [0, 0, 0, 0, 0, 0];
    for (const [id, m] of model) {
      expect(store.state[store.rowOf(id)!]).toBe(m.state);
      counts[m.state] += 1;
    }
    expect([...store.counts]).toEqual(counts);
  });
});
