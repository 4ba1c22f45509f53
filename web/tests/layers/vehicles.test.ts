import { describe, expect, it } from 'vitest';
import { Vehicles } from '../../src/layers/vehicles.ts';
import { RowStore } from '../../src/state/rows.ts';

const VAN = 23;
const LAMP = 13;

/** A room with vans at places, degrees, and one lamp before them. */
function board(...vans: [number, number][]): RowStore {
  const rows = new RowStore();
  const all: [number, number][] = [[104, 30], ...vans];
  rows.snapshot({
    kind: 'snapshot',
    cell: 1n,
    layer: 0,
    count: all.length,
    id: Uint32Array.from(all, (_, n) => 7 + n),
    lonE7: Int32Array.from(all, ([lon]) => Math.round(lon * 1e7)),
    latE7: Int32Array.from(all, ([, lat]) => Math.round(lat * 1e7)),
    heightM: new Float32Array(all.length),
    value: new Float32Array(all.length),
    deviceKind: Uint16Array.from(all, (_, n) => (n ? VAN : LAMP)),
    state: Uint8Array.from(all, (_, n) => (n === 1 ? 3 : 0)),
    flags: new Uint8Array(all.length),
  } as never);
  return rows;
}

describe('vehicles', () => {
  it('are the devices whose kind moves, with their states, and their dots are out of sight', () => {
    const vehicles = new Vehicles();
    const rows = board([104.01, 30.01], [104.02, 30.02]);
    vehicles.read(rows, new Set([VAN]));
    expect([vehicles.length, [...vehicles.id], [...vehicles.state]]).toEqual([2, [8, 9], [3, 0]]);
    expect(vehicles.position[0]).toBeCloseTo(104.01, 6);
    const dots = vehicles.others(rows);
    expect([dots[1], dots[4], dots[7]].map(Math.round)).toEqual([30, -85, -85]);
    expect(Math.round(rows.position[4])).toBe(30);
  });

  it('point the way they went, and on standing the way they came', () => {
    const vehicles = new Vehicles();
    const north = (by: number): [number, number] => [104.01, 30.01 + by];
    vehicles.read(board(north(0)), new Set([VAN]));
    expect(vehicles.heading[0]).toBe(0);
    vehicles.read(board([104.0105, 30.01]), new Set([VAN]));
    expect(vehicles.heading[0]).toBeCloseTo(Math.PI / 2, 3);
    // four metres are an error of the receiver
    vehicles.read(board([104.01046, 30.01]), new Set([VAN]));
    expect(vehicles.heading[0]).toBeCloseTo(Math.PI / 2, 3);
    vehicles.read(board([104.0105, 30.009]), new Set([VAN]));
    expect(Math.abs(vehicles.heading[0])).toBeCloseTo(Math.PI, 3);
  });

  it('are none where no kind moves', () => {
    const vehicles = new Vehicles();
    const rows = board([104.01, 30.01]);
    vehicles.read(rows, new Set());
    expect(vehicles.length).toBe(0);
    expect([...vehicles.others(rows)]).toEqual([...rows.position.subarray(0, 6)]);
  });
});
