/** Read state frames of the live protocol as typed-array views, without copying. */

export const MAGIC = 0x31565447;
export const FRAME_HEADER_BYTES = 24;
export const BLOCK_HEADER_BYTES = 24;

export const SNAPSHOT = 1;
export const DELTA = 2;
export const MOVED = 3;
export const LEFT = 4;
export const CELLS = 5;

/** Layer codes of a block header. */
export const LAYER_DEVICES = 0;
export const LAYER_WORKERS = 1;

export interface FullColumns {
  kind: typeof SNAPSHOT | typeof MOVED;
  cell: bigint;
  layer: number;
  count: number;
  id: Uint32Array;
  /** Degrees times 1e7, WGS 84. */
  lonE7: Int32Array;
  latE7: Int32Array;
  heightM: Float32Array;
  value: Float32Array;
  deviceKind: Uint16Array;
  state: Uint8Array;
  flags: Uint8Array;
}

export interface DeltaColumns {
  kind: typeof DELTA;
  cell: bigint;
  layer: number;
  count: number;
  id: Uint32Array;
  value: Float32Array;
  state: Uint8Array;
}

export interface LeftColumns {
  kind: typeof LEFT;
  cell: bigint;
  layer: number;
  count: number;
  id: Uint32Array;
}

export interface CellColumns {
  kind: typeof CELLS;
  cell: bigint;
  layer: number;
  count: number;
  /** H3 index as its two 32-bit halves, low first (h3-js takes halves). */
  halves: Uint32Array;
  total: Uint32Array;
  abnormal: Uint32Array;
  worst: Uint8Array;
}

export type Block = FullColumns | DeltaColumns | LeftColumns | CellColumns;

export interface Frame {
  epoch: number;
  fromTick: number;
  tick: number;
  /** Unix time of the server, s. */
  serverTimeS: number;
  blocks: Block[];
  /** Main-thread time spent on reading it, ms. */
  parseMs: number;
}

export class FrameError extends Error {
  constructor(what: string, where: number) {
    super(`${what} at byte ${where}`);
    this.name = 'FrameError';
  }
}

const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** Hands out aligned columns one after the other; each is padded to 8 bytes. */
class Columns {
  private offset: number;
  private readonly buffer: ArrayBuffer;
  private readonly end: number;

  constructor(buffer: ArrayBuffer, offset: number, end: number) {
    this.buffer = buffer;
    this.offset = offset;
    this.end = end;
  }

  private take(bytes: number): number {
    const at = this.offset;
    if (at + bytes > this.end) throw new FrameError('a column runs past its block', at);
    this.offset = Math.min(this.end, at + Math.ceil(bytes / 8) * 8);
    return at;
  }

  u32(n: number): Uint32Array {
    return new Uint32Array(this.buffer, this.take(4 * n), n);
  }

  i32(n: number): Int32Array {
    return new Int32Array(this.buffer, this.take(4 * n), n);
  }

  f32(n: number): Float32Array {
    return new Float32Array(this.buffer, this.take(4 * n), n);
  }

  u16(n: number): Uint16Array {
    return new Uint16Array(this.buffer, this.take(2 * n), n);
  }

  u8(n: number): Uint8Array {
    return new Uint8Array(this.buffer, this.take(n), n);
  }

  u64halves(n: number): Uint32Array {
    return new Uint32Array(this.buffer, this.take(8 * n), 2 * n);
  }
}

function readBlock(kind: number, cell: bigint, layer: number, n: number, columns: Columns, at: number): Block {
  switch (kind) {
    case SNAPSHOT:
    case MOVED:
      return {
        kind,
        cell,
        layer,
        count: n,
        id: columns.u32(n),
        lonE7: columns.i32(n),
        latE7: columns.i32(n),
        heightM: columns.f32(n),
        value: columns.f32(n),
        deviceKind: columns.u16(n),
        state: columns.u8(n),
        flags: columns.u8(n),
      };
    case DELTA:
      return { kind, cell, layer, count: n, id: columns.u32(n), value: columns.f32(n), state: columns.u8(n) };
    case LEFT:
      return { kind, cell, layer, count: n, id: columns.u32(n) };
    case CELLS:
      return { kind, cell, layer, count: n, halves: columns.u64halves(n), total: columns.u32(n), abnormal: columns.u32(n), worst: columns.u8(n) };
    default:
      throw new FrameError(`unknown block kind ${kind}`, at);
  }
}

/**
 * Parse one binary message.
 *
 * The columns of the answer are views into `buffer`: use them before it is dropped, never keep them.
 */
export function parseFrame(buffer: ArrayBuffer): Frame {
  const start = performance.now();
  if (!LITTLE_ENDIAN) throw new FrameError('this machine is big-endian; the live protocol is little-endian', 0);
  if (buffer.byteLength < FRAME_HEADER_BYTES) throw new FrameError('frame is shorter than its header', buffer.byteLength);
  const view = new DataView(buffer);
  if (view.getUint32(0, true) !== MAGIC) throw new FrameError('not a GTV1 frame', 0);
  const frame: Frame = {
    epoch: view.getUint32(4, true),
    fromTick: view.getUint32(8, true),
    tick: view.getUint32(12, true),
    serverTimeS: view.getFloat64(16, true),
    blocks: [],
    parseMs: 0,
  };
  let at = FRAME_HEADER_BYTES;
  while (at < buffer.byteLength) {
    if (at + BLOCK_HEADER_BYTES > buffer.byteLength) throw new FrameError('block header is cut off', at);
    const cell = view.getBigUint64(at, true);
    const kind = view.getUint8(at + 8);
    const layer = view.getUint8(at + 9);
    const count = view.getUint32(at + 12, true);
    const payload = Number(view.getBigUint64(at + 16, true));
    const from = at + BLOCK_HEADER_BYTES;
    if (payload % 8 !== 0) throw new FrameError('payload is not a multiple of 8 bytes', at);
    if (from + payload > buffer.byteLength) throw new FrameError('block is cut off', at);
    frame.blocks.push(readBlock(kind, cell, layer, count, new Columns(buffer, from, from + payload), at));
    at = from + payload;
  }
  frame.parseMs = performance.now() - start;
  return frame;
}
