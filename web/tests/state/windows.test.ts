import { describe, expect, it } from 'vitest';
import type { AreaChoice } from '../../src/api/access_schema.ts';
import { ApiError } from '../../src/api/client.ts';
import { emptyWindow, endAfter, LENGTHS_H, standing, windowBody, windowFault, windowRefused, type WindowDraft } from '../../src/state/windows.ts';

const ZONE = 'Asia/Shanghai';
/** 2026-11-22 16:30 in Chengdu. */
const NOW = Date.parse('2026-11-22T08:30:00Z');
const area = { code: '510104021001000' } as AreaChoice;
const draft = (part: Partial<WindowDraft> = {}): WindowDraft => ({ ...emptyWindow(NOW, ZONE), area, reason: ' 泵站检修 ', ...part });

describe('a new window', () => {
  it('begins now by the clock of the city and lasts two hours', () => {
    expect(emptyWindow(NOW, ZONE)).toMatchObject({ begins: '2026-11-22T16:30', ends: '2026-11-22T18:30', area: null, everywhere: false });
    expect(LENGTHS_H.map((hours) => endAfter(draft(), hours, ZONE))).toEqual(['2026-11-22T18:30', '2026-11-23T00:30', '2026-11-23T16:30', '2026-11-29T16:30']);
    expect(endAfter(draft({ begins: '' }), 2, ZONE)).toBe('2026-11-22T18:30');
  });

  it('says the first thing that the server would refuse', () => {
    expect(windowFault(draft(), NOW, ZONE)).toBeNull();
    expect(windowFault(draft({ area: null }), NOW, ZONE)).toBe('area');
    expect(windowFault(draft({ area: null, everywhere: true }), NOW, ZONE)).toBeNull();
    expect(windowFault(draft({ begins: '' }), NOW, ZONE)).toBe('begins');
    expect(windowFault(draft({ ends: '' }), NOW, ZONE)).toBe('ends');
    expect(windowFault(draft({ ends: '2026-11-22T16:30' }), NOW, ZONE)).toBe('order');
    expect(windowFault(draft({ begins: '2026-11-21T10:00', ends: '2026-11-22T16:30' }), NOW, ZONE)).toBe('past');
    expect(windowFault(draft({ ends: '2026-12-23T16:30' }), NOW, ZONE)).toBeNull();
    expect(windowFault(draft({ ends: '2026-12-23T16:31' }), NOW, ZONE)).toBe('long');
    expect(windowFault(draft({ reason: ' ' }), NOW, ZONE)).toBe('reason');
  });

  it('is sent as the server reads it', () => {
    const ring: [number, number][] = [[104, 30], [104.1, 30], [104.1, 30.1], [104, 30]];
    expect(windowBody(draft({ polygons: [[ring]], kind: 'water_level' }), ZONE)).toEqual({
      area_code: area.code,
      polygon: { type: 'Polygon', coordinates: [ring] },
      kind: 'water_level',
      begins_at: '2026-11-22T08:30:00.000Z',
      ends_at: '2026-11-22T10:30:00.000Z',
      reason: '泵站检修',
    });
    expect(windowBody(draft({ everywhere: true }), ZONE)).toMatchObject({ area_code: null, polygon: null, kind: null });
  });
});

describe('a window', () => {
  it('runs from its begin to its end, or until somebody ended it', () => {
    const window = { begins_at: '2026-11-22T08:30:00Z', ends_at: '2026-11-22T10:30:00Z', ended_at: null };
    expect(standing(window, NOW - 1)).toBe('planned');
    expect(standing(window, NOW)).toBe('running');
    expect(standing(window, NOW + 2 * 3600_000)).toBe('over');
    expect(standing({ ...window, ended_at: '2026-11-22T08:31:00Z' }, NOW)).toBe('over');
  });

  it('has words of its own for what the server refuses', () => {
    const refused = (status: number, where = '') => windowRefused(new ApiError({ title: 'x', status, where, detail: '', hint: '', type: '' } as never));
    expect([refused(403, 'area_code'), refused(403), refused(404, 'id')]).toEqual(['mw_no_area', 'mw_no_role', 'mw_no_end']);
    expect([refused(422, 'polygon'), refused(422, 'body.polygon.coordinates'), refused(422, 'kind'), refused(422, 'ends_at')]).toEqual(['mw_no_polygon', 'mw_no_polygon', 'mw_no_kind', 'mw_fault_order']);
    expect([refused(500), refused(422, 'other'), windowRefused(new Error('x'))]).toEqual([null, null, null]);
  });
});
