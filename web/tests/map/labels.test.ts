import { describe, expect, it } from 'vitest';
import { inside, overlaps, pin, place, type Box, type Candidate } from '../../src/map/labels.ts';

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

describe('words beside a panel', () => {
  const panel = [box(100, 0, 50, 200)];

  it('go to the left of the mark, and are dropped when neither side is free', () => {
    const mark = { key: 'm', rank: 1, shape: box(80, 50), label: box(92, 50, 40), left: box(38, 50, 40) };
    expect(place([mark], panel).get('m')).toEqual({ shape: true, label: true, left: true });
    expect(place([mark]).get('m')).toEqual({ shape: true, label: true });
    expect(place([{ ...mark, left: box(-20, 50, 40) }], [...panel, box(0, 0, 30, 200)]).get('m')).toEqual({ shape: true, label: false });
    // and what comes after gives way to the words where they are
    expect(place([mark, { key: 'name', rank: 9, shape: null, label: box(50, 52, 20) }], panel).get('name')!.label).toBe(false);
  });

  it('are not cut off at the edge of the map, where a mark may be', () => {
    const beyond = [{ x0: 100, x1: Infinity, y0: -Infinity, y1: Infinity }];
    const mark = { key: 'm', rank: 1, shape: box(95, 50), label: box(107, 50, 40), left: box(53, 50, 40) };
    expect(place([mark], [], beyond).get('m')).toEqual({ shape: true, label: true, left: true });
    expect(place([{ ...mark, left: box(80, 50, 40) }], [], beyond).get('m')).toEqual({ shape: true, label: false });
    expect(place([{ key: 'name', rank: 2, shape: null, label: box(90, 0, 40) }], [], beyond).get('name')!.label).toBe(false);
    expect(place([{ ...mark, left: box(80, 50, 40), forced: true }], [], beyond).get('m')!.label).toBe(true);
  });

  it('of the incident go over other marks but not under the panel', () => {
    const incident = { key: 'i', rank: 0, shape: box(80, 50), label: box(92, 50, 40), left: box(38, 50, 40), forced: true };
    expect(place([incident], panel).get('i')!.left).toBe(true);
  });
});

describe('pin', () => {
  const free = box(100, 100, 200, 100);

  it('leaves alone what is in the free part', () => {
    expect(pin(free, 150, 150)).toBeNull();
    expect(pin(free, 300, 200)).toBeNull();
  });

  it('meets the edge on the straight way to the place', () => {
    expect(pin(free, 500, 150)).toEqual({ x: 300, y: 150, angle: 0 });
    expect(pin(free, 200, 900)).toEqual({ x: 200, y: 200, angle: Math.PI / 2 });
    const corner = pin(free, 600, 350)!;
    expect(corner.x).toBeCloseTo(300);
    expect(corner.y).toBeCloseTo(200);
  });

  it('keeps a box whole inside the free part', () => {
    expect(inside(free, 300, 150, 60, 20)).toEqual({ x: 270, y: 150 });
    expect(inside(free, 150, 90, 60, 20)).toEqual({ x: 150, y: 110 });
    expect(inside(free, 0, 0, 400, 20).x).toBe(200);
  });
});
