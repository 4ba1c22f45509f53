/** Apply frames to the stores and commit what changed once per animation frame. */
import { CELLS, DELTA, LAYER_DEVICES, LAYER_WORKERS, LEFT, SNAPSHOT, type Frame } from '../api/frames.ts';
import { CellStore } from './cells.ts';
import { Perf } from './perf.ts';
import { RowStore } from './rows.ts';

export interface Commit {
  /** Rows were added, removed or moved. */
  structure: boolean;
  cells: boolean;
  deltas: number;
}

type Schedule = (run: () => void) => void;

export class LiveBoard {
  readonly devices = new RowStore();
  readonly workers = new RowStore();
  readonly cells = new CellStore();
  readonly perf = new Perf();
  /** Codes of the kinds of devices that move. */
  moving: ReadonlySet<number> = new Set();
  mode: 'points' | 'cells' = 'points';
  /** Server time less this machine's, s: ages are told in the server's time. */
  clockOffsetS = 0;
  private dropPending = false;
  private scheduled = false;
  private applyMs = 0;
  private deltas = 0;
  private structure = false;
  private cellsChanged = false;
  private readonly commit: (change: Commit) => void;
  private readonly schedule: Schedule;

  constructor(commit: (change: Commit) => void, schedule: Schedule) {
    this.commit = commit;
    this.schedule = schedule;
  }

  /** A subscription was answered. What is held stays on screen until its replacement is here. */
  subscribed(mode: 'points' | 'cells', resumed: boolean): void {
    this.mode = mode;
    if (!resumed) this.dropPending = true;
  }

  frame(frame: Frame): void {
    const start = performance.now();
    if (this.dropPending) {
      this.dropPending = false;
      this.empty();
    }
    for (const block of frame.blocks) {
      if (block.kind === CELLS) {
        // people are no devices: from afar only devices are summed
        if (block.layer !== LAYER_DEVICES) continue;
        this.cells.apply(block);
        this.cellsChanged = true;
        continue;
      }
      const rows = block.layer === LAYER_DEVICES ? this.devices : block.layer === LAYER_WORKERS ? this.workers : null;
      if (!rows) continue;
      this.deltas += block.count;
      if (block.kind === DELTA) rows.delta(block);
      else {
        if (block.kind === LEFT) rows.left(block);
        else if (block.kind === SNAPSHOT) rows.snapshot(block);
        else rows.upsert(block);
        this.structure = true;
      }
    }
    this.clockOffsetS = frame.serverTimeS - Date.now() / 1000;
    this.applyMs += performance.now() - start + frame.parseMs;
    this.soon();
  }

  /** Show nothing until the next snapshot: what is held may no longer be seen. */
  clear(): void {
    this.empty();
    this.soon();
  }

  private empty(): void {
    this.devices.clear();
    this.workers.clear();
    this.cells.clear();
    this.structure = this.cellsChanged = true;
  }

  private soon(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.schedule(this.run);
  }

  private readonly run = (): void => {
    this.scheduled = false;
    const change = { structure: this.structure, cells: this.cellsChanged, deltas: this.deltas };
    const applyMs = this.applyMs;
    this.structure = this.cellsChanged = false;
    this.deltas = this.applyMs = 0;
    const start = performance.now();
    this.commit(change);
    this.perf.record(applyMs, performance.now() - start, change.deltas);
  };
}
