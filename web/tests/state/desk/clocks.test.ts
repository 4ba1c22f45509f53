import { describe, expect, it } from 'vitest';
import type { CaseClock } from '../../../src/api/case_schema.ts';
import { say, type Key } from '../../../src/i18n/index.ts';
import { amountWords, clockWords, leftNow, pace, runsNow } from '../../../src/state/desk/clocks.ts';

const t = (key: Key, ...args: (string | number)[]) => say('zh', key, ...args);
const at = (s: number) => new Date(s * 1000).toISOString();
const clock = (part: Partial<CaseClock>): CaseClock => ({ amount: 4, unit: 'working_hours', due_at: at(99_999), certain: true, left_s: 3600, runs: true, changes_at: null, warns_at: at(2000), ...part });

describe('clocks of cases', () => {
  it('go down second by second while they run, and past nothing', () => {
    expect(leftNow(clock({}), 1_000_000, 1_060_000)).toBe(3540);
    expect(leftNow(clock({ left_s: 30 }), 0, 90_000)).toBe(-60);
    // the clock of this machine may be behind: nothing is counted backwards
    expect(leftNow(clock({}), 60_000, 0)).toBe(3600);
  });

  it('stand still outside working hours, and go on when these begin', () => {
    const evening = clock({ changes_at: at(100) });
    expect([leftNow(evening, 0, 60_000), leftNow(evening, 0, 100_000), leftNow(evening, 0, 500_000)]).toEqual([3540, 3500, 3500]);
    const night = clock({ runs: false, changes_at: at(100) });
    expect([leftNow(night, 0, 60_000), leftNow(night, 0, 160_000)]).toEqual([3600, 3540]);
    expect([runsNow(night, 60_000), runsNow(night, 160_000), runsNow(evening, 160_000)]).toEqual([false, true, false]);
    expect(leftNow(clock({ runs: false }), 0, 9_999_000)).toBe(3600);
  });

  it('say what is left, over or held, and what little is', () => {
    expect([clockWords(t, clock({}), 660, false), clockWords(t, clock({}), -1440, false), clockWords(t, clock({}), 3960, true), clockWords(t, null, 0, false)]).toEqual(['0:11', '超 0:24', '停 1:06', '无时限']);
    for (const unit of ['hours', 'working_hours', 'working_days'] as const) {
      const one = clock({ unit });
      expect([pace(one, 2881, false, 1_999_999), pace(one, 2879, false, 2_000_000), pace(one, -1, false, 3_000_000), pace(one, -1, true, 3_000_000), pace(clock({ warns_at: null }), 1, false, 9_000_000)]).toEqual(['normal', 'soon', 'over', 'held', 'normal']);
    }
    expect([amountWords(t, 0.25, 'hours'), amountWords(t, 4, 'working_hours'), amountWords(t, 5, 'working_days')]).toEqual(['0:15', '4:00', '5 日']);
  });
});
