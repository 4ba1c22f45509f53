import { describe, expect, it } from 'vitest';
import { ApiError } from '../../src/api/client.ts';
import type { Shelved } from '../../src/api/schema.ts';
import { endOf, heldNow, isAside, LONGEST_MS, refusedWords, shelveFault, type ShelveDraft } from '../../src/state/shelving.ts';

const ZONE = 'Asia/Shanghai';
/** 2026-11-22 16:30 in Chengdu. */
const NOW = Date.parse('2026-11-22T08:30:00Z');
const draft = (part: Partial<ShelveDraft>): ShelveDraft => ({ reason: '误报', end: '30m', shift: '', own: '', ...part });
const iso = (at: number | null) => (at === null ? null : new Date(at).toISOString());

describe('when it comes back', () => {
  it('is so long from now', () => {
    expect(iso(endOf(draft({}), NOW, ZONE))).toBe('2026-11-22T09:00:00.000Z');
    expect(iso(endOf(draft({ end: '2h' }), NOW, ZONE))).toBe('2026-11-22T10:30:00.000Z');
  });
  it('is the next time the clock of the city shows the end of the shift', () => {
    expect(iso(endOf(draft({ end: 'shift', shift: '17:30' }), NOW, ZONE))).toBe('2026-11-22T09:30:00.000Z');
    expect(iso(endOf(draft({ end: 'shift', shift: '00:15' }), NOW, ZONE))).toBe('2026-11-22T16:15:00.000Z');
    expect(iso(endOf(draft({ end: 'shift', shift: '16:30' }), NOW, ZONE))).toBe('2026-11-23T08:30:00.000Z');
    expect(endOf(draft({ end: 'shift' }), NOW, ZONE)).toBeNull();
  });
  it('is the own time in the zone of the city', () => {
    expect(iso(endOf(draft({ end: 'own', own: '2026-11-22T18:00' }), NOW, ZONE))).toBe('2026-11-22T10:00:00.000Z');
    expect(endOf(draft({ end: 'own' }), NOW, ZONE)).toBeNull();
  });
});

describe('what stands in the way', () => {
  it('names the first thing that is missing or wrong', () => {
    expect(shelveFault(draft({ reason: '  ' }), NOW, ZONE)).toBe('reason');
    expect(shelveFault(draft({ end: 'own' }), NOW, ZONE)).toBe('end');
    expect(shelveFault(draft({ end: 'own', own: '2026-11-22T16:29' }), NOW, ZONE)).toBe('past');
    expect(shelveFault(draft({ end: 'shift', shift: '16:29' }), NOW, ZONE)).toBe('far');
    expect(shelveFault(draft({}), NOW, ZONE)).toBeNull();
  });
  it('takes eight hours and no minute more', () => {
    const local = (at: number) => new Date(at + 8 * 3600_000).toISOString().slice(0, 16);
    expect(shelveFault(draft({ end: 'own', own: local(NOW + LONGEST_MS) }), NOW, ZONE)).toBeNull();
    expect(shelveFault(draft({ end: 'own', own: local(NOW + LONGEST_MS + 60_000) }), NOW, ZONE)).toBe('far');
  });
  it('has words of its own for what the server refuses', () => {
    const refused = (status: number, where = '', detail = '') => refusedWords(new ApiError({ title: 'x', status, where, detail, hint: '', type: '' } as never));
    expect(refused(409, 'group_id')).toBe('al_no_conflict');
    expect(refused(404, 'group_id')).toBe('al_no_group');
    expect(refused(404, 'id')).toBe('al_no_end');
    expect(refused(403)).toBe('al_no_role');
    expect(refused(422, 'until', 'what is put aside comes back within 8 hours')).toBe('al_fault_far');
    expect(refused(422, 'until', 'what is put aside comes back in the future')).toBe('al_fault_past');
    expect(refused(500)).toBeNull();
    expect(refusedWords(new Error('Failed to fetch'))).toBeNull();
  });
});

describe('what is put aside', () => {
  const shelving = { until_at: new Date(NOW + 1000).toISOString() } as Shelved;
  it('comes back by the clock, also where the server was not heard of', () => {
    expect(heldNow(shelving, NOW)).toBe(shelving);
    expect(heldNow(shelving, NOW + 1000)).toBeNull();
    expect(heldNow(null, NOW)).toBeNull();
    expect(isAside({ shelved_until: shelving.until_at }, NOW)).toBe(true);
    expect(isAside({ shelved_until: shelving.until_at }, NOW + 1000)).toBe(false);
    expect(isAside({ shelved_until: null }, NOW)).toBe(false);
  });
});
