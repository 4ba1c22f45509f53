import { describe, expect, it } from 'vitest';
import { overlaps, place, type Box, type Candidate } from '../../src/map/labels.ts';

const box = (x0: number, y0: number, w = 10, h = 10): Box => ({ x0, y0, x1: x0 + w, y1: y0 + h });

describe('place', () => {
  it('gives way by rank: the lower drops its words first, and whole when its shape does not fit', () => {
    const placed = place([
      { key: 'landmark', rank: 230, shape: null, label: box(12, 0, 40) },
      { key: 'incident', rank: 0, shape: box(0, 0), label: box(12, 0, 60) },
      { key: 'warning', rank: 50, shape: box(80, 0), label: box(60, 5, 40) },
      { key: 'buried', rank: 60, shape: box(2, 2), label: box(0, 200, 40) },
    ]);
    expect(placed.get('incident')).toEqual({ shape: true, label: true });
    expect(placed.get('warning')).toEqual({ shape: true, label: false });
    expect(placed.get('buried')).toEqual({ shape: false, label: false });
    expect(placed.get('landmark')).toEqual({ shape: false, label: false });
  });

  it('writes nothing over stems and panels', () => {
    const stem = place([
      { key: 'mark', rank: 1, shape: box(0, 0), body: box(4, 10, 2, 60), label: null },
      { key: 'name', rank: 2, shape: null, label: box(-20, 40, 60) },
    ]);
    expect(stem.get('name')!.label).toBe(false);
    expect(place([{ key: 'name', rank: 2, shape: null, label: box(0, 0) }], [box(5, 5)]).get('name')!.label).toBe(false);
  });

  it('never lets two shown boxes overlap, over random scenes', () => {
    let seed = 3;
    const random = (n: number) => (seed = (seed * 16807) % 2147483647) % n;
    for (let scene = 0; scene < 30; scene++) {
      const candidates: Candidate[] = Array.from({ length: 60 }, (_, i) => ({ key: String(i), rank: random(9), shape: random(3) ? box(random(300), random(300), 14, 14) : null, label: box(random(300), random(300), 50, 12) }));
      const placed = place(candidates);
      const shown = candidates.flatMap((c) => [placed.get(c.key)!.shape && c.shape, placed.get(c.key)!.label && c.label].filter((b): b is Box => !!b).map((b) => ({ key: c.key, b })));
      expect(shown.length).toBeGreaterThan(10);
      // a mark may touch its own words, never another's
      for (const one of shown) for (const other of shown) if (one.key !== other.key) expect(overlaps(one.b, other.b)).toBe(false);
    }
  });
});
