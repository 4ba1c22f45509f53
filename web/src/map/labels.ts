/** Place marks and labels over the map without overlap: the lower rank gives way. */

export interface Box {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

export interface Candidate {
  key: string;
  /** Lower is more important. */
  rank: number;
  /** Where the shape is drawn, px; null: a label without a shape. */
  shape: Box | null;
  /** Where the words are drawn, px; null: no words. */
  label: Box | null;
  /** What goes with the shape and may not be written over: its stem and foot. */
  body?: Box;
  /** Drawn whatever it covers (it is the incident). */
  forced?: boolean;
}

export interface Placement {
  shape: boolean;
  label: boolean;
}

export function overlaps(a: Box, b: Box): boolean {
  return a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1;
}

/**
 * Decide greedily by rank what is drawn.
 *
 * A mark whose words do not fit keeps its shape; a mark whose shape does not fit is dropped whole
 * (its device is still a point on the map). `taken` are boxes nothing may cover, such as panels.
 */
export function place(candidates: Candidate[], taken: Box[] = []): Map<string, Placement> {
  const boxes = [...taken];
  const out = new Map<string, Placement>();
  for (const c of [...candidates].sort((a, b) => a.rank - b.rank || (a.key < b.key ? -1 : 1))) {
    const free = (box: Box) => !boxes.some((b) => overlaps(b, box));
    const shape = c.shape !== null && (c.forced || free(c.shape));
    if (c.shape && !shape) {
      out.set(c.key, { shape: false, label: false });
      continue;
    }
    const label = c.label !== null && (c.forced || free(c.label));
    if (shape && c.shape) boxes.push(c.shape);
    if (shape && c.body) boxes.push(c.body);
    if (label && c.label) boxes.push(c.label);
    out.set(c.key, { shape, label });
  }
  return out;
}
