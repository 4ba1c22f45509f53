import { describe, expect, it } from 'vitest';
import { dropReport, emptyReport, keepReport, keptReport, missingOf, toSend } from '../../../src/state/desk/report.ts';
import { fromLocalInput, localInput, whenSaid } from '../../../src/state/desk/times.ts';

function store() {
  const held = new Map<string, string>();
  return { held, getItem: (key: string) => held.get(key) ?? null, setItem: (key: string, value: string) => void held.set(key, value), removeItem: (key: string) => void held.delete(key) };
}

const draft = { ...emptyReport('11111111-2222-4333-8444-555555555555'), category_code: '01013', description: '消防栓漏水', lon: 104.06, lat: 30.66 };

describe('the draft of a new case', () => {
  it('comes back as it was typed, and never with who reported it', () => {
    const s = store();
    keepReport(s, { ...draft, phone: '13800000000', name: '王某' } as typeof draft);
    expect(keptReport(s)).toEqual(draft);
    expect([...s.held.values()].join()).not.toMatch(/13800000000|王某/);
    dropReport(s);
    expect(keptReport(s)).toBeNull();
  });

  it('is none where what was kept cannot be read', () => {
    const s = store();
    s.setItem('desk.report', '{broken');
    expect(keptReport(s)).toBeNull();
  });

  it('says what is missing, and sends what was said only', () => {
    expect(missingOf(emptyReport('x'))).toEqual(['category_code', 'description', 'place']);
    expect(missingOf(draft)).toEqual([]);
    expect(toSend(draft, { name: ' ', phone: ' 028-1234 ' })).toEqual({ category_code: '01013', description: '消防栓漏水', lon: 104.06, lat: 30.66, source: 'hotline', client_key: draft.client_key, reporter: { phone: '028-1234' } });
    expect(toSend(draft, { name: '', phone: '' })).not.toHaveProperty('reporter');
  });
});

describe('times in the zone of the city', () => {
  it('go into a field and back as they were', () => {
    const iso = '2026-11-22T12:30:00.000Z';
    expect(localInput('Asia/Shanghai', iso)).toBe('2026-11-22T20:30');
    for (const zone of ['Asia/Shanghai', 'Europe/Helsinki', 'UTC']) expect(fromLocalInput(zone, localInput(zone, iso)), zone).toBe(iso);
    expect(fromLocalInput('Asia/Shanghai', '')).toBeUndefined();
  });

  it('name the day only where it is another', () => {
    const now = Date.parse('2026-11-22T12:30:00Z');
    expect(whenSaid('Asia/Shanghai', now - 3_600_000, now)).toBe('19:30');
    expect(whenSaid('Asia/Shanghai', now - 24 * 3_600_000, now)).toBe('11-21 20:30');
  });
});
