import { describe, expect, it } from 'vitest';
import type { Photograph } from '../../src/api/pictures_schema.ts';
import { isKey, say, type Key, type Lang } from '../../src/i18n/index.ts';
import { claimWords, neighbour } from '../../src/state/photographs.ts';

const photograph = (id: number, over: Partial<Photograph> = {}): Photograph => ({
  id, case_id: 1, moment: 'before', added_at: '2026-11-20T01:00:00Z', taken_at: null, distance_m: null,
  flags: [], width_px: 4, height_px: 3, bytes: 9, simulated: false, place_check: 'match', time_check: 'match', released_at: null, ...over,
});
const t = (lang: Lang) => (key: Key, ...args: (string | number)[]) => say(lang, key, ...args);

describe('claims of a photograph', () => {
  it('says that time and place fit, and how far away', () => {
    expect(claimWords(t('zh'), photograph(1, { distance_m: 12.4 }))).toEqual(['时间地点相符', '距案件 12 m']);
  });
  it('names every flag of the server in both languages', () => {
    for (const flag of ['no_place', 'far_away', 'perhaps_gcj02', 'no_time', 'in_the_future', 'long_before_case', 'before_dispatch', 'after_closing', 'claims_differ'] as const) {
      expect(isKey(`flag_${flag}`)).toBe(true);
      expect(claimWords(t('en'), photograph(1, { flags: [flag] }))).toHaveLength(1);
    }
    for (const moment of ['before', 'during', 'after', 'evidence']) expect(isKey(`moment_${moment}`)).toBe(true);
  });
});

describe('going through photographs', () => {
  const three = [1, 5, 9].map((id) => photograph(id));
  it('goes round the ends', () => {
    expect(neighbour(three, 9, 1)).toBe(1);
    expect(neighbour(three, 1, -1)).toBe(9);
    expect(neighbour(three, 1, 1)).toBe(5);
  });
  it('begins anew where the photograph is gone, and ends where there is none', () => {
    expect(neighbour(three, 7, 1)).toBe(1);
    expect(neighbour([], 7, 1)).toBeNull();
  });
});
