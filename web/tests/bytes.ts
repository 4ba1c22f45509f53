/** Build frames of docs/live-protocol.md byte by byte, independently of the parser. */

export interface Full {
  id: number;
  lon: number;
  lat: number;
  height?: number;
  value?: number;
  kind?: number;
  state?: number;
  flags?: number;
}

const pad8 = (bytes: number[]) => {
  while (bytes.length % 8) bytes.push(0);
  return bytes;
};

function le(values: number[], size: number, put: (view: DataView, at: number, v: number) => void): number[] {
  const view = new DataView(new ArrayBuffer(values.length * size));
  values.forEach((v, i) => put(view, i * size, v));
  return pad8([...new Uint8Array(view.buffer)]);
}

export const u32 = (v: number[]) => le(v, 4, (d, at, x) => d.setUint32(at, x, true));
export const i32 = (v: number[]) => le(v, 4, (d, at, x) => d.setInt32(at, x, true));
export const f32 = (v: number[]) => le(v, 4, (d, at, x) => d.setFloat32(at, x, true));
export const u16 = (v: number[]) => le(v, 2, (d, at, x) => d.setUint16(at, x, true));
export const u8 = (v: number[]) => pad8([...v]);
export const u64 = (v: bigint[]) => {
  const view = new DataView(new ArrayBuffer(8 * v.length));
  v.forEach((x, i) => view.setBigUint64(8 * i, x, true));
  return [...new Uint8Array(view.buffer)];
};

export function block(kind: number, cell: bigint, layer: number, count: number, payload: number[]): number[] {
  const header = new DataView(new ArrayBuffer(24));
  header.setBigUint64(0, cell, true);
  header.setUint8(8, kind);
  header.setUint8(9, layer);
  header.setUint32(12, count, true);
  header.setBigUint64(16, BigInt(payload.length), true);
  return [...new Uint8Array(header.buffer), ...payload];
}

export function full(kind: 1 | 3, cell: bigint, layer: number, rows: Full[]): number[] {
  return block(kind, cell, layer, rows.length, [
    ...u32(rows.map((r) => r.id)),
    ...i32(rows.map((r) => Math.round(r.lon * 1e7))),
    ...i32(rows.map((r) => Math.round(r.lat * 1e7))),
    ...f32(rows.map((r) => r.height ?? 0)),
    ...f32(rows.map((r) => r.value ?? NaN)),
    ...u16(rows.map((r) => r.kind ?? 1)),
    ...u8(rows.map((r) => r.state ?? 0)),
    ...u8(rows.map((r) => r.flags ?? 0)),
  ]);
}

export function delta(cell: bigint, layer: number, rows: { id: number; value: number; state: number }[]): number[] {
  return block(2, cell, layer, rows.length, [...u32(rows.map((r) => r.id)), ...f32(rows.map((r) => r.value)), ...u8(rows.map((r) => r.state))]);
}

export const left = (cell: bigint, layer: number, ids: number[]) => block(4, cell, layer, ids.length, u32(ids));

export function cells(rows: { cell: bigint; count: number; abnormal: number; worst: number }[]): number[] {
  return block(5, 0n, 0, rows.length, [...u64(rows.map((r) => r.cell)), ...u32(rows.map((r) => r.count)), ...u32(rows.map((r) => r.abnormal)), ...u8(rows.map((r) => r.worst))]);
}

export function frame(epoch: number, fromTick: number, tick: number, blocks: number[][], timeS = 1_800_000_000.5): ArrayBuffer {
  const header = new DataView(new ArrayBuffer(24));
  header.setUint32(0, 0x31565447, true);
  header.setUint32(4, epoch, true);
  header.setUint32(8, fromTick, true);
  header.setUint32(12, tick, true);
  header.setFloat64(16, timeS, true);
  return new Uint8Array([...new Uint8Array(header.buffer), ...blocks.flat()]).buffer;
}

export const ROOM_A = 0x8931000000fffffn;
export const ROOM_B = 0x89310000013ffffn;
