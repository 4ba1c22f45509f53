import { describe, expect, it } from 'vitest';
import type { Candidate, CaseStand } from '../../../src/api/case_schema.ts';
import type { AlarmGroup } from '../../../src/api/schema.ts';
import { say, type Key } from '../../../src/i18n/index.ts';
import { deskMarks, type DeskComposition } from '../../../src/map/desk_marks.ts';
import { iconOf, originOf, shortNumber } from '../../../src/state/desk/rows.ts';

const t = (key: Key, ...args: (string | number)[]) => say('zh', key, ...args);
const group = (key: string, caseId: number | null): AlarmGroup => ({ key, group_id: 1, kind: 'water', state: 'critical', title: { zh: '水浸' }, place: null, count: 40, lon: 1, lat: 2, since: '2026-01-01T00:00:00Z', acknowledged: 0, acknowledged_by: [], may_acknowledge: true, shelved_until: null, shelving: null, maintenance: false, rule: null, case: caseId === null ? null : { id: caseId, number: 'n' }, members: [] });
const stand = { id: 5, number: '20261122-0001', title: { zh: '地下通道水浸' }, lon: 1, lat: 2, outcome: null } as unknown as CaseStand;
const worker = (id: number): Candidate => ({ worker_id: 100 + id, tracker_id: id, name: { zh: `周*${id}` }, way_s: 230, straight_m: 190 }) as unknown as Candidate;
const base: DeskComposition = { lang: 'zh', t, groups: [group('a', 5), group('b', null)], stand, icon: 'critical', sensors: 40, handlers: [1, 2, 3, 4, 5, 6].map(worker), chosen: 0, cameras: [], place: (_layer, id) => (id === 2 ? null : [id, id]), found: null, picked: null, places: [], cells: null, zoom: 16, lost: false };

describe('the map of the desk', () => {
  it('shows the open case once, with how many sensors say so, and nobody else as the callout', () => {
    const marks = deskMarks(base);
    expect(marks.filter((m) => m.callout).map((m) => [m.key, m.shape, m.note])).toEqual([['case:5', 'critical', '40 个传感器·20261122-0001']]);
    expect(marks.map((m) => m.key)).toContain('group:b');
    expect(marks.map((m) => m.key)).not.toContain('group:a');
  });

  it('pins those who could go and are in view, the chosen one always', () => {
    expect(deskMarks(base).filter((m) => m.badge).map((m) => m.badge)).toEqual(['1', '3', '4']);
    expect(deskMarks({ ...base, chosen: 5 }).filter((m) => m.badge).map((m) => [m.badge, m.level])).toEqual([['1', undefined], ['3', undefined], ['4', undefined], ['6', 'first']]);
    expect(deskMarks({ ...base, stand: { ...stand, outcome: 'closed' } }).some((m) => m.badge)).toBe(false);
  });

  it('claims no state of what is lost', () => {
    expect(deskMarks({ ...base, lost: true }).find((m) => m.callout)).toMatchObject({ shape: 'unknown', rings: undefined });
  });
});

describe('a row of a queue', () => {
  it('has the mark of its worst alarm, else of its source', () => {
    expect([iconOf({ state: 'alarm', source: 'sensor' }), iconOf({ state: null, source: 'hotline' }), iconOf({ state: null, source: 'else' })]).toEqual(['alarm', 'hotline', 'case']);
    expect([shortNumber('SIM-20261122-0006'), shortNumber('20261122-0006'), shortNumber('X-7')]).toEqual(['1122-0006', '1122-0006', 'X-7']);
    expect([originOf(t, { source: 'sensor', alarms: 40 }), originOf(t, { source: 'hotline', alarms: 0 }), originOf(t, { source: 'hotline', alarms: 2 })]).toEqual(['传感器 40', '12345', '12345·传感器 2']);
  });
});
