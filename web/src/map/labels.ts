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
  /** The other place for the words, left of the shape; taken when the first is not free. */
  left?: Box;
  /** What goes with the shape and may not be written over: its stem and foot. */
  body?: Box;
  /** Drawn whatever it covers (it is the incident). */
  forced?: boolean;
}

export interface Placement {
  shape: boolean;
  label: boolean;
  /** The words stand at the left of the shape. */
  left?: true;
}

export function overlaps(a: Box, b: Box): boolean {
  return a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1;
}

/**
 * Decide greedily by rank what is drawn.
 *
 * A mark whose words do not fit keeps its shape; a mark whose shape does not fit is dropped whole
 * (its device is still a point on the map). `taken` are boxes nothing may cover, such as panels; words, which
 * nobody reads when they are cut off, keep out of `beyond` too: what lies outside the map.
 */
export function place(candidates: Candidate[], taken: Box[] = [], beyond: Box[] = []): Map<string, Placement> {
  const boxes = [...taken];
  const out = new Map<string, Placement>();
  for (const c of [...candidates].sort((a, b) => a.rank - b.rank || (a.key < b.key ? -1 : 1))) {
    const free = (box: Box) => !boxes.some((b) => overlaps(b, box));
    const shape = c.shape !== null && (c.forced || free(c.shape));
    if (c.shape && !shape) {
      out.set(c.key, { shape: false, label: false });
      continue;
    }
    // a forced label goes over other marks, but to the side where no panel is
    const fits = (box: Box) => !beyond.some((b) => overlaps(b, box)) && (c.forced ? !taken.some((b) => overlaps(b, box)) : free(box));
    const left = c.label !== null && !!c.left && !fits(c.label) && fits(c.left);
    const label = c.label !== null && (left || c.forced || fits(c.label));
    const words = left ? c.left! : c.label;
    if (shape && c.shape) boxes.push(c.shape);
    if (shape && c.body) boxes.push(c.body);
    if (label && words) boxes.push(words);
    out.set(c.key, left ? { shape, label, left } : { shape, label });
  }
  return out;
}

/**
 * Where the edge of the free part is met on the way from its middle to a point outside it, and the direction
 * of that way (radians, clockwise from the right). Null when the point lies inside.
 */
export function pin(free: Box, x: number, y: number): { x: number; y: number; angle: number } | null {
  if (x >= free.x0 && x <= free.x1 && y >= free.y0 && y <= free.y1) return null;
  const cx = (free.x0 + free.x1) / 2;
  const cy = (free.y0 + free.y1) / 2;
  const dx = x - cx;
  const dy = y - cy;
  const k = Math.min(dx ? (dx > 0 ? free.x1 - cx : cx - free.x0) / Math.abs(dx) : Infinity, dy ? (dy > 0 ? free.y1 - cy : cy - free.y0) / Math.abs(dy) : Infinity);
  return { x: cx + dx * k, y: cy + dy * k, angle: Math.atan2(dy, dx) };
}

/** The middle of a box of a size that is nearest to a point and wholly inside the free part. */
export function inside(free: Box, x: number, y: number, width: number, height: number): { x: number; y: number } {
  const clamp = (v: number, lo: number, hi: number) => (lo > hi ? (lo + hi) / 2 : Math.max(lo, Math.min(hi, v)));
  return { x: clamp(x, free.x0 + width / 2, free.x1 - width / 2), y: clamp(y, free.y0 + height / 2, free.y1 - height / 2) };
}
