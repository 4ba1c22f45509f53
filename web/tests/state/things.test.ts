import { describe, expect, it } from 'vitest';
import type { ComponentDetail, CompoundDetail, LineDetail, NodeDetail, Trace } from '../../src/api/things_schema.ts';
import { say, type Key } from '../../src/i18n/index.ts';
import { TOGGLED, traceData } from '../../src/map/style.ts';
import { facts, isThing, thingTitle } from '../../src/state/things.ts';

const t = (key: Key, ...args: (string | number)[]) => say('zh', key, ...args);
const water = { utility: 'water', utility_name: { zh: '供水', en: 'Water' }, name: { zh: null, en: null }, owner: null, laid_year: 1998, lon: 104, lat: 30, simulated: false };

describe('things without readings', () => {
  it('tells what is known and leaves out what is not', () => {
    const line = { ...water, id: 1, grade: '低压', diameter_mm: 200, material: null, length_m: 42.25 } as LineDetail;
    expect(facts('zh', t, { type: 'network_line', of: line }).map((f) => `${t(f.label)} ${f.value}`)).toEqual(['敷设年份 1998', '等级 低压', '管径 200 mm', '长度 42.3 m']);
    expect(thingTitle('zh', t, { type: 'network_line', of: line })).toBe('管线·供水');
  });

  it('says of what can be closed whether it is, and of nothing else', () => {
    const node = { ...water, id: 2, kind: 'valve', kind_name: { zh: '阀门', en: 'Valve' }, passes: false, device_id: null, lines: 2, buildings: 0 } as NodeDetail;
    const labels = (of: NodeDetail) => facts('zh', t, { type: 'network_node', of }).map((f) => f.label);
    expect(labels(node)).toEqual(['laidYear', 'usually', 'linesHere']);
    expect(labels({ ...node, kind: 'joint', buildings: 3 })).toEqual(['laidYear', 'linesHere', 'servesHere']);
  });

  it('tells a component with the codes beside the names, and a code alone where there is no name', () => {
    const word = { code: '01037', name: { zh: '路灯', en: 'Street lamp' } };
    const of = {
      code: '51010401037000001', component_class: word, major_class: word, department: { code: '11510104MB0001', name: '市政局' }, owner: { code: '91510104MA0002', name: null }, maintainer: { code: null, name: null },
      installed_on: null, changed_on: null, data_source: null, note: null, street: { id: 1, code: '510104901000000', name: { zh: '春熙路街道', en: null } }, area: { community: { id: 2, code: '510104901902000', name: { zh: '一社区', en: null } } },
    } as unknown as ComponentDetail;
    const told = Object.fromEntries(facts('zh', t, { type: 'component', of }).map((f) => [f.label, [f.value, f.note]]));
    expect(told).toMatchObject({ department: ['市政局', '11510104MB0001'], owner: ['91510104MA0002', ''], area_street: ['春熙路街道', '510104901'], area_community: ['一社区', '510104901902'] });
    expect(told).not.toHaveProperty('maintainer');
  });

  it('marks estimated households', () => {
    const of = { id: 3, name: { zh: '东湖花园', en: null }, households: 1200, households_source: 'estimated', buildings: 9, devices: 4, property_company: null } as CompoundDetail;
    expect(facts('zh', t, { type: 'compound', of }).find((f) => f.label === 'householdsWord')).toEqual({ label: 'householdsWord', value: '1\u202f200', note: '估计' });
  });

  it('knows its types', () => {
    expect(['component', 'network_line', 'compound', 'device', 'toString'].map(isThing)).toEqual([true, true, true, false, false]);
  });
});

describe('a trace on the map', () => {
  it('draws what is cut off apart from what is lost with it, and what must be closed', () => {
    const line = (x: number) => ({ type: 'MultiLineString', coordinates: [[[x, 0], [x, 1]]] });
    const trace = { section: line(1), lost: null, to_close: [{ id: 1, lon: 104, lat: 30 }] } as unknown as Trace;
    expect(traceData(trace).features.map((f) => [f.geometry.type, f.properties?.section])).toEqual([['MultiLineString', true], ['Point', undefined]]);
    expect(traceData({ ...trace, lost: line(2) }).features.map((f) => f.properties?.section)).toEqual([true, false, undefined]);
    expect(traceData(null).features).toEqual([]);
  });

  it('has no layer in two switches', () => {
    const all = Object.values(TOGGLED).flat();
    expect(new Set(all).size).toBe(all.length);
  });
});
