import { describe, expect, it } from 'vitest';
import { parseFrame, type CellColumns, type DeltaColumns, type FullColumns } from '../../src/api/frames.ts';
import { ROOM_A, ROOM_B, cells, delta, frame, full, left } from '../bytes.ts';

describe('parseFrame', () => {
  it('reads the magic as the letters GTV1', () => {
    expect(new TextDecoder().decode(new Uint8Array(frame(1, 0, 1, [])).subarray(0, 4))).toBe('GTV1');
  });

  it('reads header and an odd number of rows in every column', () => {
    const rows = [1, 2, 3].map((id) => ({ id: id * 1000, lon: 104.0635 + id, lat: -30.6598 - id, height: id / 2, value: id * 1.5, kind: 300 + id, state: id, flags: id }));
    const read = parseFrame(frame(7, 41, 42, [full(1, ROOM_A, 0, rows), delta(ROOM_B, 1, [{ id: 9, value: 2.5, state: 4 }])]));
    expect([read.epoch, read.fromTick, read.tick, read.serverTimeS]).toEqual([7, 41, 42, 1_800_000_000.5]);
    const snapshot = read.blocks[0] as FullColumns;
    expect(snapshot.cell).toBe(ROOM_A);
    expect([...snapshot.id]).toEqual([1000, 2000, 3000]);
    expect([...snapshot.lonE7]).toEqual([1_050_635_000, 1_060_635_000, 1_070_635_000]);
    expect([...snapshot.latE7]).toEqual([-316_598_000, -326_598_000, -336_598_000]);
    expect([...snapshot.heightM]).toEqual([0.5, 1, 1.5]);
    expect([...snapshot.value]).toEqual([1.5, 3, 4.5]);
    expect([...snapshot.deviceKind]).toEqual([301, 302, 303]);
    expect([...snapshot.state]).toEqual([1, 2, 3]);
    expect([...snapshot.flags]).toEqual([1, 2, 3]);
    const change = read.blocks[1] as DeltaColumns;
    expect([change.kind, change.layer, change.id[0], change.value[0], change.state[0]]).toEqual([2, 1, 9, 2.5, 4]);
  });

  it('reads columns as views of the message, not copies', () => {
    const bytes = frame(1, 0, 1, [delta(ROOM_A, 0, [{ id: 5, value: 1, state: 0 }])]);
    expect((parseFrame(bytes).blocks[0] as DeltaColumns).id.buffer).toBe(bytes);
  });

  it('reads cells with their 64-bit index in halves, low first', () => {
    const block = parseFrame(frame(1, 0, 1, [cells([{ cell: ROOM_A, count: 12, abnormal: 2, worst: 5 }])])).blocks[0] as CellColumns;
    expect((BigInt(block.halves[1]) << 32n) | BigInt(block.halves[0])).toBe(ROOM_A);
    expect([block.total[0], block.abnormal[0], block.worst[0]]).toEqual([12, 2, 5]);
  });

  it('accepts an empty frame and an empty block', () => {
    expect(parseFrame(frame(1, 0, 1, [])).blocks).toEqual([]);
    expect(parseFrame(frame(1, 0, 1, [left(ROOM_A, 0, [])])).blocks[0].count).toBe(0);
  });

  it('refuses every truncation with a place, and never reads past the end', () => {
    const whole = frame(1, 0, 1, [full(3, ROOM_A, 0, [{ id: 1, lon: 1, lat: 2 }])]);
    for (let n = 0; n < whole.byteLength; n++) {
      if (n === 24) continue; // a frame with no block is whole
      expect(() => parseFrame(whole.slice(0, n)), `cut at ${n}`).toThrow(/at byte \d+/);
    }
  });

  it('refuses a count that its payload cannot hold, a wrong magic and an unknown kind', () => {
    const lying = frame(1, 0, 1, [delta(ROOM_A, 0, [{ id: 1, value: 1, state: 0 }])]);
    new DataView(lying).setUint32(24 + 12, 1_000_000, true);
    expect(() => parseFrame(lying)).toThrow(/past its block/);
    const magic = frame(1, 0, 1, []);
    new DataView(magic).setUint32(0, 1, true);
    expect(() => parseFrame(magic)).toThrow(/GTV1/);
    const unknown = frame(1, 0, 1, [left(ROOM_A, 0, [1])]);
    new DataView(unknown).setUint8(24 + 8, 77);
    expect(() => parseFrame(unknown)).toThrow(/kind 77/);
  });
});
