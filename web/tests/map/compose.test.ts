import { describe, expect, it } from 'vitest';
import { clusterResolution, compose, openGroup, type Composition } from '../../src/map/compose.ts';
import { say } from '../../src/i18n/index.ts';
import { merge, type Cell } from '../../src/state/cells.ts';
import { cellToChildren, cellToLatLng, latLngToCell } from 'h3-js';
import type { AlarmGroup } from '../../src/api/schema.ts';

const group = (key: string, state: string, count = 1): AlarmGroup => ({
  key, group_id: 1, kind: 'gas', state, title: { zh: '燃气浓度', en: 'Combustible gas detector' }, place: '顺吉大厦', count, lon: 104, lat: 30.6, since: '2026-11-21T00:00:00Z', acknowledged: 0, acknowledged_by: [], may_acknowledge: true, shelved_until: null, shelving: null, maintenance: false, rule: null, case: null,
  members: [{ alarm_id: 1, device_id: 2, state, value: 18 }],
});
const base: Composition = {
  lang: 'zh', t: (key, ...args) => say('zh', key, ...args), groups: [], selectedGroup: null, selected: null, freshCritical: new Set(), places: [], cells: null, zoom: 16, nowMs: Date.parse('2026-11-21T00:12:26Z'), lost: false,
};

describe('compose', () => {
  it('opens a callout for a critical incident only, and rings round it', () => {
    const [critical, warning] = compose({ ...base, groups: [group('a', 'critical', 40), group('b', 'warning')] });
    expect(critical).toMatchObject({ callout: true, shape: 'critical', rank: 0, text: '燃气浓度·顺吉大厦', rings: { fresh: false } });
    expect(warning).toMatchObject({ callout: false, shape: 'warning', text: '燃气浓度' });
    // the clock that its row in the rail shows, from the first second on
    expect(critical.figure).toBe('12:26');
    expect(compose({ ...base, nowMs: Date.parse('2026-11-21T00:00:07Z'), groups: [group('a', 'critical')] })[0].figure).toBe('00:07');
    expect(warning.rings).toBeUndefined();
    expect(compose({ ...base, groups: [group('b', 'warning')] })[0].callout).toBe(false);
  });

  it('opens the callout of the selected group before that of the worst', () => {
    const groups = [group('a', 'critical'), group('b', 'warning')];
    expect(openGroup({ groups, selectedGroup: 'b' })?.key).toBe('b');
    expect(openGroup({ groups, selectedGroup: 'gone' })).toBeUndefined();
    expect(openGroup({ groups, selectedGroup: null })?.key).toBe('a');
  });

  it('lets what is put aside open no callout, ring for nobody and give way', () => {
    const aside = { ...group('a', 'critical'), shelved_until: '2026-11-21T02:00:00Z' };
    expect(openGroup({ groups: [aside, group('b', 'warning')], selectedGroup: null })).toBeUndefined();
    expect(openGroup({ groups: [aside, group('b', 'critical')], selectedGroup: null })?.key).toBe('b');
    const [mark, other] = compose({ ...base, groups: [aside, group('b', 'warning')], freshCritical: new Set(['a']) });
    expect(mark).toMatchObject({ callout: false, rings: undefined, text: '燃气浓度·搁置中', shape: 'critical' });
    expect(mark.rank).toBeGreaterThan(other.rank);
  });

  it('ranks by state', () => {
    const marks = compose({ ...base, groups: [group('a', 'offline'), group('b', 'alarm'), group('c', 'warning')] });
    expect([...marks].sort((a, b) => a.rank - b.rank).map((m) => m.shape)).toEqual(['alarm', 'warning', 'offline']);
  });

  it('draws everything as unknown once the connection is lost', () => {
    expect(compose({ ...base, lost: true, groups: [group('a', 'critical')] })[0]).toMatchObject({ shape: 'unknown', rings: undefined });
  });

  it('shows clusters in the state of their worst member with the count of abnormal ones', () => {
    const [lat, lon] = [30.66, 104.06];
    const cell = latLngToCell(lat, lon, 9);
    const cells: Cell[] = [{ cell, count: 40, abnormal: 2, worst: 4, lon, lat }];
    expect(compose({ ...base, cells, zoom: 12, groups: [group('a', 'critical')] })).toMatchObject([{ kind: 'cluster', shape: 'alarm', text: '2', note: ' / 40' }]);
  });
});

describe('merge', () => {
  it('sums what is merged, keeps the worst, and stays between its members', () => {
    const parent = latLngToCell(30.66, 104.06, 7);
    const cells: Cell[] = cellToChildren(parent, 9).map((cell, i) => {
      const [lat, lon] = cellToLatLng(cell);
      return { cell, count: i + 1, abnormal: i % 3, worst: i % 6, lat, lon };
    });
    const [one, ...rest] = merge(cells, 7);
    expect(rest).toEqual([]);
    expect(one.count).toBe(cells.reduce((sum, c) => sum + c.count, 0));
    expect(one.abnormal).toBe(cells.reduce((sum, c) => sum + c.abnormal, 0));
    expect(one.worst).toBe(5);
    expect(one.lon).toBeGreaterThan(Math.min(...cells.map((c) => c.lon)));
    expect(one.lon).toBeLessThan(Math.max(...cells.map((c) => c.lon)));
    expect(merge(cells, 9)).toHaveLength(cells.length);
  });

  it('coarsens as one goes away', () => {
    const steps = [13.9, 12, 10, 8].map(clusterResolution);
    expect([...steps].sort((a, b) => b - a)).toEqual(steps);
    expect(steps[0]).toBeLessThanOrEqual(9);
  });
});
