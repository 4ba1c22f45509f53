import { describe, expect, it } from 'vitest';
import type { CaseEvent, Evidence, EvidenceOfKind } from '../../../src/api/case_schema.ts';
import { momentFrom, raisedBy, stripOf, ticksOf, valueAt } from '../../../src/state/desk/strip.ts';

const T = Date.parse('2026-11-23T08:00:00Z');
const MIN = 60_000;
const at = (minutes: number) => new Date(T + minutes * MIN).toISOString();
const level: EvidenceOfKind = {
  kind: 'water_level', names: { zh: '液位计', en: 'Water level gauge' }, property: 'level', unit: 'cm', state: 'alarm', count: 2,
  first_at: at(0), last_at: at(2), offline: 0, low: 22, high: 26, series: [[(T - 30 * MIN) / 1000, 1], [T / 1000, 22], [(T + 5 * MIN) / 1000, null], [(T + 10 * MIN) / 1000, 26]],
};
const member = (minutes: number) => ({ device_id: minutes, uid: '', lon: 0, lat: 0, state: 'alarm', value: 1, raised_at: at(minutes) });
const evidence: Evidence = { alarms: [level, { ...level, property: 'battery', series: [] }], group: null, members: [member(0), member(2)], repeats: [], photographs: 0 };
const event = (minutes: number): CaseEvent => ({ at: at(minutes) }) as CaseEvent;

describe('the time strip of a case', () => {
  const strip = stripOf(evidence, [event(20), event(3), event(0.005)], T + 40 * MIN);

  it('goes from the first reading to now, with what has readings, and what happened in its order, once', () => {
    expect([strip.from, strip.to]).toEqual([T - 30 * MIN, T + 40 * MIN]);
    expect(strip.lines.map((line) => line.kind.property)).toEqual(['level']);
    expect(strip.moments.map((ms) => (ms - T) / MIN)).toEqual([0, 3, 20]);
  });

  it('says what was seen at a time, and how many sensors had raised by then', () => {
    const [line] = strip.lines;
    expect([-31, -30, -1, 0, 7, 40].map((minutes) => valueAt(line, T + minutes * MIN))).toEqual([null, 1, 1, 22, 22, 26]);
    expect([-1, 0, 1, 2].map((minutes) => raisedBy(evidence.members, T + minutes * MIN))).toEqual([0, 1, 1, 2]);
  });

  it('goes event by event, back from now and forward to now', () => {
    const { moments } = strip;
    expect(momentFrom(moments, null, -1)).toBe(T + 20 * MIN);
    expect(momentFrom(moments, T + 20 * MIN, -1)).toBe(T + 3 * MIN);
    expect(momentFrom(moments, T, -1)).toBe(T);
    expect(momentFrom(moments, T + 3 * MIN, 1)).toBe(T + 20 * MIN);
    expect(momentFrom(moments, T + 20 * MIN, 1)).toBeNull();
    expect(momentFrom([], null, -1)).toBeNull();
  });

  it('has room for a case without a sensor, and writes few round times', () => {
    const bare = stripOf(null, [event(0)], T + MIN);
    expect(bare.to - bare.from).toBeGreaterThanOrEqual(10 * MIN);
    for (const minutes of [10, 45, 200, 3000, 60_000]) {
      const ticks = ticksOf(T, T + minutes * MIN);
      expect(ticks.length).toBeLessThanOrEqual(8);
      expect(ticks.length).toBeGreaterThan(2);
      expect(ticks.every((ms) => ms % (2 * MIN) === 0 || ms % (5 * MIN) === 0)).toBe(true);
    }
  });
});
