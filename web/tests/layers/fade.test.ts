import { describe, expect, it } from 'vitest';
import { covered, faded, isDated, type Dated } from '../../src/layers/fade.ts';

const trail = (...timestamps: number[]): Dated => ({ path: timestamps.map((t) => [104 + t / 1e6, 30]), timestamps });

describe('trails', () => {
  it('fade with age over the time that all of them cover, one colour a position', () => {
    const trails = [trail(1000, 1050), trail(1100, 1150, 1200)];
    const time = covered(trails);
    expect(time).toEqual({ from: 1000, to: 1200 });
    const old = faded(trails[0], [62, 207, 166], time);
    const recent = faded(trails[1], [62, 207, 166], time);
    expect(old).toHaveLength(2);
    expect(recent.at(-1)).toEqual([62, 207, 166, 255]);
    const strength = [...old, ...recent].map((c) => c[3]);
    expect(strength).toEqual([...strength].sort((a, b) => a - b));
    expect(strength[0]).toBeGreaterThan(0);
    expect(strength[0]).toBeLessThan(30);
  });

  it('are told from paths without times, and one instant is no division by nothing', () => {
    expect(isDated([trail(1)])).toBe(true);
    expect(isDated([{ path: [[1, 2]] }])).toBe(false);
    expect(isDated([])).toBe(false);
    expect(faded(trail(5), [1, 2, 3], covered([trail(5)]))[0].every(Number.isFinite)).toBe(true);
  });
});
