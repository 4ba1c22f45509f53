/** Measure the main-thread cost of each batch of changes. */

const KEPT = 4096;

export interface PerfSummary {
  batches: number;
  deltas: number;
  /** Milliseconds of the main thread per batch: apply to the arrays and upload to the GPU. */
  median_ms: number;
  p95_ms: number;
  max_ms: number;
  apply_median_ms: number;
  commit_median_ms: number;
}

/** A ring of the newest samples; nothing grows with time. */
export class Perf {
  private readonly apply = new Float64Array(KEPT);
  private readonly commit = new Float64Array(KEPT);
  private readonly sizes = new Float64Array(KEPT);
  private next = 0;
  private filled = 0;
  frames = 0;
  deltas = 0;

  /** One commit: `applyMs` spent since the last on parsing and arrays, `commitMs` on the upload. */
  record(applyMs: number, commitMs: number, deltas: number): void {
    this.apply[this.next] = applyMs;
    this.commit[this.next] = commitMs;
    this.sizes[this.next] = deltas;
    this.next = (this.next + 1) % KEPT;
    this.filled = Math.min(KEPT, this.filled + 1);
    this.frames += 1;
    this.deltas += deltas;
  }

  reset(): void {
    this.next = this.filled = this.frames = this.deltas = 0;
  }

  /** Figures over the kept batches with at least `minimum` deltas. */
  summary(minimum = 1): PerfSummary {
    const rows = [...Array(this.filled).keys()].filter((i) => this.sizes[i] >= minimum);
    const total = rows.map((i) => this.apply[i] + this.commit[i]).sort((a, b) => a - b);
    const at = (sorted: number[], q: number) => (sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] : NaN);
    const sorted = (from: Float64Array) => rows.map((i) => from[i]).sort((a, b) => a - b);
    return {
      batches: rows.length,
      deltas: rows.reduce((sum, i) => sum + this.sizes[i], 0),
      median_ms: at(total, 0.5),
      p95_ms: at(total, 0.95),
      max_ms: total.at(-1) ?? NaN,
      apply_median_ms: at(sorted(this.apply), 0.5),
      commit_median_ms: at(sorted(this.commit), 0.5),
    };
  }
}
