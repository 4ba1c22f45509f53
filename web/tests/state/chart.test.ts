import { describe, expect, it } from 'vitest';
import { apart, isSparse, LEAST_S, timeRange, valueRange } from '../../src/state/chart.ts';

describe('timeRange', () => {
  it('gives one or two readings the last ten minutes', () => {
    expect(timeRange([1_000_000], 1_000_030)).toEqual([1_000_030 - LEAST_S, 1_000_030]);
    expect(timeRange([999_990, 1_000_000], 1_000_000)).toEqual([1_000_000 - LEAST_S, 1_000_000]);
  });

  it('begins at the first reading when that is longer ago, and ends now', () => {
    expect(timeRange([1_000, 5_000, 90_000], 90_400)).toEqual([1_000, 90_400]);
    expect(timeRange([1_000], 50_000)).toEqual([1_000, 50_000]);
  });

  it('does not cut off a reading that is newer than the clock, and stands without readings', () => {
    expect(timeRange([100, 2_000], 1_900)[1]).toBe(2_000);
    expect(timeRange([], 5_000)).toEqual([5_000 - LEAST_S, 5_000]);
  });
});

describe('isSparse', () => {
  it('counts readings, not gaps', () => {
    expect(isSparse([1, null, null, 2])).toBe(true);
    expect(isSparse(Array.from({ length: 40 }, (_v, i) => i))).toBe(false);
  });
});

describe('valueRange', () => {
  const limits = [15, 20, 25].map((above, i) => ({ state: ['warning', 'alarm', 'critical'][i], above }));

  it('shows the next limit, however far it is', () => {
    expect(valueRange([0.1, 0.2], [{ state: 'warning', above: 10 }])[1]).toBeGreaterThan(10);
    expect(valueRange([90, 92], [{ state: 'warning', below: 20 }])[0]).toBeLessThan(20);
  });

  it('shows the limits that were passed', () => {
    const [lo, hi] = valueRange([2, 31.4], limits);
    expect(lo).toBe(0);
    expect(hi).toBeGreaterThan(31.4);
    expect(valueRange([31.4], limits)[0]).toBeLessThan(15);
  });

  it('has a height without limits, for one reading and for none', () => {
    for (const v of [[5], [0], [-3], [null], []]) {
      const [lo, hi] = valueRange(v, []);
      expect(hi, JSON.stringify(v)).toBeGreaterThan(lo);
    }
  });
});

describe('apart', () => {
  it('leaves alone what does not touch', () => {
    expect(apart([100, 60, 20], 15, 10)).toEqual([100, 60, 20]);
  });

  it('moves the upper ones up, in the order given', () => {
    expect(apart([100, 95, 92], 15, 10)).toEqual([100, 85, 70]);
    expect(apart([92, 100, 95], 15, 10)).toEqual([70, 100, 85]);
  });

  it('moves down where the top leaves no room', () => {
    expect(apart([24, 20, 18], 15, 10)).toEqual([40, 25, 10]);
    expect(apart([], 15, 10)).toEqual([]);
  });
});
