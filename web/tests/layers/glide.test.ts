import { describe, expect, it } from 'vitest';
import { distanceM, Glide, JUMP_M } from '../../src/layers/glide.ts';

const WORLD: [number, number, number, number] = [-180, -90, 180, 90];
const rows = (...fixes: [id: number, lon: number, lat: number][]) => ({
  length: fixes.length,
  id: new Uint32Array(fixes.map((f) => f[0])),
  position: new Float64Array(fixes.flatMap(([, lon, lat]) => [lon, lat, 1.5])),
});

describe('Glide', () => {
  it('goes straight from the shown place to the newest fix over the reporting interval, never beyond', () => {
    const glide = new Glide();
    glide.read(rows([7, 104, 30]), 0);
    const next = rows([7, 104.0002, 30.0001]);
    glide.read(next, 10_000);
    expect(glide.step(next, 10_000, WORLD)).toEqual({ moving: true, visible: true });
    expect([...glide.shown]).toEqual([104, 30, 1.5]);
    glide.step(next, 15_000, WORLD);
    expect(glide.shown[0]).toBeCloseTo(104.0001, 9);
    expect(glide.shown[1]).toBeCloseTo(30.00005, 9);
    expect(glide.step(next, 20_000, WORLD).moving).toBe(false);
    glide.step(next, 90_000, WORLD);
    expect([...glide.shown]).toEqual([104.0002, 30.0001, 1.5]);
    expect(glide.moving).toBe(false);
  });

  it('turns on the way when a new fix comes early, without a jump back', () => {
    const glide = new Glide();
    glide.read(rows([1, 104, 30]), 0);
    glide.read(rows([1, 104.001, 30]), 10_000);
    const last = rows([1, 104.001, 30.001]);
    glide.read(last, 15_000);
    glide.step(last, 15_000, WORLD);
    expect(glide.shown[0]).toBeCloseTo(104.0005, 9);
    expect(glide.shown[1]).toBeCloseTo(30, 9);
    glide.step(last, 17_500, WORLD);
    expect(glide.shown[0]).toBeCloseTo(104.00075, 9);
  });

  it('does not glide what was not walked, nor with reduced motion', () => {
    const glide = new Glide();
    const far = 104 + (JUMP_M * 1.1) / (111_195 * Math.cos(Math.PI / 6));
    expect(distanceM(104, 30, far, 30)).toBeGreaterThan(JUMP_M);
    glide.read(rows([1, 104, 30], [2, 104, 30]), 0);
    const next = rows([1, far, 30], [2, 104.0001, 30]);
    glide.read(next, 5_000);
    glide.step(next, 5_001, WORLD);
    expect(glide.shown[0]).toBe(far);
    expect(glide.shown[3]).toBeLessThan(104.0001);
    glide.read(next, 5_002, true);
    expect(glide.moving).toBe(false);
    glide.step(next, 5_003, WORLD);
    expect(glide.shown[3]).toBe(104.0001);
  });

  it('keeps people apart by id when rows change their order, and forgets who has gone', () => {
    const glide = new Glide();
    glide.read(rows([1, 104, 30], [2, 105, 31]), 0);
    const next = rows([2, 105.0001, 31]);
    glide.read(next, 1_000);
    glide.step(next, 1_500, WORLD);
    expect(glide.shown[0]).toBeCloseTo(105.00005, 9);
    glide.read(rows([1, 104.0001, 30], [2, 105.0001, 31]), 2_000);
    glide.step(rows([1, 104.0001, 30], [2, 105.0001, 31]), 2_001, WORLD);
    expect(glide.shown[0]).toBe(104.0001); // new again: it does not glide from where it once was
  });

  it('says when what moves is out of view', () => {
    const glide = new Glide();
    glide.read(rows([1, 104, 30]), 0);
    const next = rows([1, 104.0001, 30]);
    glide.read(next, 1_000);
    expect(glide.step(next, 1_200, [0, 0, 1, 1])).toEqual({ moving: true, visible: false });
  });
});
