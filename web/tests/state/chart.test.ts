import { describe, expect, it } from 'vitest';
import { isSparse, LEAST_S, timeRange } from '../../src/state/chart.ts';

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
