import { describe, expect, it } from 'vitest';
import type { RecordEntry } from '../../src/api/access_schema.ts';
import { dayAndTime, detailLine, recordPath, withOlder } from '../../src/state/record.ts';

const entry = (seq: number, part: Partial<RecordEntry> = {}): RecordEntry => ({ seq, at: '2026-11-22T01:02:03Z', actor: 'li', roles: 'operator', address: '', action: 'session.begun', object: 'account/li', result: 'done', reason: '', detail: {}, ...part });

describe('the record of acts', () => {
  it('asks for older acts below the oldest that is there, with the same filter', () => {
    expect(recordPath({ actor: '', about: '' }, null)).toBe('/api/record?limit=100');
    expect(recordPath({ actor: ' li ', about: 'account/王 & 李' }, 41)).toBe('/api/record?limit=100&actor=li&about=account%2F%E7%8E%8B+%26+%E6%9D%8E&before=41');
  });

  it('keeps each act once, the newest first', () => {
    expect(withOlder([entry(5), entry(4)], [entry(4), entry(3)]).map((e) => e.seq)).toEqual([5, 4, 3]);
    expect(withOlder([], [entry(2)]).map((e) => e.seq)).toEqual([2]);
  });

  it('tells the reason and what the detail says, and nothing of what it does not', () => {
    expect(detailLine(entry(1, { reason: '离职', detail: { role: 'operator', area: '5', demo: false, ids: [1, 2], note: null } }))).toBe('离职 · role operator · area 5 · ids [1,2]');
  });

  it('tells times of this machine', () => {
    const told = dayAndTime('2026-11-22T01:02:03Z');
    const here = new Date('2026-11-22T01:02:03Z');
    expect(Number(told.time.slice(0, 2))).toBe(here.getHours());
    expect(told.time).toMatch(/:02:03$|:\d\d:03$/);
    expect(told.day).toMatch(/^2026-11-2[123]$/);
  });
});
