import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Condition, Polygons, RuleContent, RuleOptions } from '../../src/api/rules_schema.ts';
import { rulesEn } from '../../src/i18n/rules_en.ts';
import { rulesZh } from '../../src/i18n/rules_zh.ts';
import { deskZh } from '../../src/i18n/desk_zh.ts';
import { accessZh } from '../../src/i18n/access_zh.ts';
import { sourcesZh } from '../../src/i18n/sources_zh.ts';
import { zh } from '../../src/i18n/zh.ts';
import { ruleMarks } from '../../src/map/rule_marks.ts';
import { clashes, differences, merged } from '../../src/state/rules/conflict.ts';
import { areaM2, boundsOf, closed, cornerCount, inserted, moved, readGeoJson, removed, writeGeoJson } from '../../src/state/rules/fence.ts';
import { CONDITIONS, CONDITION_TYPES } from '../../src/state/rules/fields.ts';
import { contentOf, emptyForm, faultsOf, formOf, sameContent, withType } from '../../src/state/rules/form.ts';
import { spanWords } from '../../src/state/rules/spans.ts';
import { bins, byDevice, inOne, lastedS } from '../../src/state/rules/trial.ts';
import { conditionWords, ruleWords } from '../../src/state/rules/words.ts';

const SQUARE: Polygons = [[[[104.06, 30.66], [104.062, 30.66], [104.062, 30.662], [104.06, 30.662], [104.06, 30.66]]]];

const OPTIONS: RuleOptions = {
  kinds: [
    { name: 'water_level', title: { zh: '液位计', en: 'Water level gauge' }, moves: false, properties: [{ name: 'level', title: { zh: '液位', en: 'Level' }, unit: 'cm', minimum: 0, maximum: 1000, decimals: 1 }] },
    { name: 'door', title: { zh: '门磁', en: 'Door sensor' }, moves: false, properties: [{ name: 'open', title: { zh: '门状态', en: 'Door' }, unit: '1', minimum: 0, maximum: 1, decimals: 0 }] },
    { name: 'worker', title: { zh: '网格员', en: 'Worker' }, moves: true, properties: [] },
  ],
  learned: [{ name: 'usual', title: { zh: '通用', en: 'Usual' }, score: 2.1 }],
  areas: [{ code: '510104021000000', level: 'street', name: { zh: '西御河街道', en: 'Xiyuhe' } }],
  limits: { most_days: 31, most_share: 0.5, most_per_10_min: 10, check_hours: 24 },
};

/** What a condition reads as: tests/twin/rules/test_words.py holds the server to the same table. */
const SAID: { kind: string | null; property: string | null; condition: Condition; zh: string; en: string }[] = JSON.parse(readFileSync('../tests/twin/rules/condition_words.json', 'utf8'));

/** Conditions as the server writes them: every field named. */
const WRITTEN: Condition[] = [
  { type: 'limit', above: 20, below: null, hysteresis: 1, hold_s: 60 },
  { type: 'limit', above: null, below: -3.25, hysteresis: 0, hold_s: 0 },
  { type: 'rate', above: null, below: -5, hysteresis: 0.5, hold_s: 0, per_s: 60, window_s: 600 },
  { type: 'silence', after_s: 90 },
  { type: 'learned', parameters: 'usual', score: null, side: 'above' },
  { type: 'learned', parameters: 'usual', score: 3.5, side: 'both' },
  { type: 'fence', when: 'dwell', polygons: SQUARE, area: null, compound: null, dwell_s: 300, radius_m: 30, margin_m: 10, worst_accuracy_m: 50, fixes: 2, seconds: 0, gap_s: 900 },
  { type: 'fence', when: 'leave', polygons: SQUARE, area: '510104021000000', compound: null, dwell_s: null, radius_m: null, margin_m: 10, worst_accuracy_m: 50, fixes: 2, seconds: 7.5, gap_s: 900 },
  { type: 'density', of: ['worker'], at_least: 10, surprise: 6, hold_s: 120, quiet_s: 300, resolution: 10, ring: 0, learn_days: 3, fresh_s: 300 },
];

const rule = (condition: Condition, more: Partial<RuleContent> = {}): RuleContent => ({ zh: '夜间液位偏高', en: 'Level high at night', state: 'alarm', area: null, kinds: ['water_level'], property: 'level', condition, category_code: null, ...more });

describe('a rule and its form', () => {
  it.each(WRITTEN.map((condition) => [condition.type, condition] as const))('keeps a %s as it was written', (_type, condition) => {
    const written = rule(condition);
    expect(contentOf(formOf(written))).toEqual(written);
    expect(sameContent(contentOf(formOf(written)), written)).toBe(true);
  });

  it('keeps the kind of case it reports, and says it', () => {
    const written = rule(WRITTEN[0], { category_code: '09009' });
    expect(contentOf(formOf(written))).toEqual(written);
    expect(contentOf({ ...formOf(written), category: '' }).category_code).toBeNull();
    expect(differences(rule(WRITTEN[0]), written, rule(WRITTEN[0])).map((d) => d.part)).toEqual(['category_code']);
    const catalog = { states: [], device_kinds: [], case_categories: [{ code: '09009', zh: '机动车乱停放', en: 'Motor vehicle parked badly', major: { zh: '', en: '' } }] };
    expect(ruleWords('zh', written, OPTIONS, catalog)).toContain('即报警，并上报案件：09009 机动车乱停放');
    expect(ruleWords('en', written, OPTIONS, catalog)).toContain('and reports a case: 09009 Motor vehicle parked badly');
    expect(ruleWords('en', written, OPTIONS)).toContain('and reports a case: 09009');
  });

  it('keeps a condition that it has no form for', () => {
    const written = rule({ type: 'tide', moon: [1, { full: true }] });
    expect(contentOf(formOf(written))).toEqual(written);
  });

  it('does not take the order of fields for a change', () => {
    expect(sameContent(rule({ type: 'silence', after_s: 90 }), rule({ after_s: 90, type: 'silence' }))).toBe(true);
    expect(sameContent(rule({ type: 'silence', after_s: 90 }), rule({ type: 'silence', after_s: 91 }))).toBe(false);
  });

  it('shows times in their largest whole unit and sends seconds', () => {
    const form = formOf(rule({ type: 'silence', after_s: 7200 }));
    expect([form.numbers.after_s, form.units.after_s]).toEqual(['2', 'h']);
    form.numbers.after_s = '0.1';
    expect(contentOf(form).condition.after_s).toBe(360);
    form.units.after_s = 'min';
    expect(contentOf(form).condition.after_s).toBe(6);
  });

  it('sends one side of a threshold, as it is turned', () => {
    const form = formOf(rule(WRITTEN[0]));
    form.reach = 'below';
    expect(contentOf(form).condition).toMatchObject({ above: null, below: 20 });
  });

  it('asks for the time to stay only where something stays', () => {
    const form = formOf(rule(WRITTEN[6], { kinds: ['worker'], property: null }));
    form.choices.when = 'enter';
    expect(contentOf(form).condition).toMatchObject({ when: 'enter', dwell_s: null, radius_m: null });
    form.numbers.dwell_s = 'nonsense';
    expect([...faultsOf(form, OPTIONS).keys()]).toEqual([]);
  });

  it('keeps what both types have when the type changes, and gives a gathering its kind', () => {
    let form = formOf(rule(WRITTEN[0]));
    form = withType(form, 'rate');
    expect(contentOf(form).condition).toMatchObject({ type: 'rate', above: 20, window_s: 600 });
    form = withType(form, 'density');
    expect(contentOf(form)).toMatchObject({ kinds: ['gathering'], property: 'excess' });
    expect(contentOf(withType(form, 'limit'))).toMatchObject({ kinds: [], property: null });
  });

  it('says what is missing and what is wrong, by field', () => {
    const faults = (change: (form: ReturnType<typeof emptyForm>) => void) => {
      const form = formOf(rule(WRITTEN[0]));
      change(form);
      return Object.fromEntries(faultsOf(form, OPTIONS));
    };
    expect(faults(() => undefined)).toEqual({});
    expect(Object.fromEntries(faultsOf(emptyForm(), OPTIONS))).toEqual({ zh: 'empty', en: 'empty', property: 'empty', reach: 'empty' });
    expect(faults((f) => (f.numbers.reach = '0x14'))).toEqual({ reach: 'number' });
    expect(faults((f) => (f.numbers.reach = '1e999'))).toEqual({ reach: 'number' });
    expect(faults((f) => (f.numbers.hysteresis = '-1'))).toEqual({ hysteresis: 'least' });
    expect(faults((f) => ((f.numbers.hold_s = '8'), (f.units.hold_s = 'd')))).toEqual({ hold_s: 'most' });
    expect(faults((f) => (f.property = 'humidity'))).toEqual({ property: 'property' });
    const fence = withType(formOf(rule(WRITTEN[0])), 'fence');
    fence.numbers.fixes = '2.5';
    expect(Object.fromEntries(faultsOf(fence, OPTIONS))).toEqual({ fixes: 'whole', polygons: 'polygons' });
    fence.border = { area: '510104021000000', compound: null };
    expect(Object.fromEntries(faultsOf(fence, OPTIONS))).toEqual({ fixes: 'whole' });
  });

  it('has words for every type and field', () => {
    for (const type of CONDITION_TYPES) {
      expect(rulesZh).toHaveProperty(`ru_type_${type}`);
      expect(rulesZh).toHaveProperty(`ru_about_${type}`);
      for (const { name } of CONDITIONS[type].numbers) expect(Object.keys(rulesZh)).toEqual(expect.arrayContaining([`rf_${name}`, `rh_${name}`]));
      for (const { name, of } of CONDITIONS[type].choices) expect(Object.keys(rulesZh)).toEqual(expect.arrayContaining([`rf_${name}`, ...of.map((one) => `rc_${one}`)]));
    }
  });
});

describe('words of rules', () => {
  it('has the same keys and places in both languages, each word in one table', () => {
    expect(Object.keys(rulesEn).sort()).toEqual(Object.keys(rulesZh).sort());
    const places = (text: string) => [...new Set(text.match(/\{\d\}/g) ?? [])].sort();
    for (const key of Object.keys(rulesZh) as (keyof typeof rulesZh)[]) expect(places(rulesEn[key]), key).toEqual(places(rulesZh[key]));
    expect(Object.keys(rulesZh).filter((key) => [zh, accessZh, deskZh, sourcesZh].some((table) => key in table))).toEqual([]);
  });

  it.each(SAID.map((row) => [row.en, row] as const))('says “%s” as the server does', (_en, row) => {
    const content = rule(row.condition, { kinds: row.kind ? [row.kind] : [], property: row.property });
    expect([conditionWords('zh', content, OPTIONS), conditionWords('en', content, OPTIONS)]).toEqual([row.zh, row.en]);
  });

  it('says a span in the largest unit it is a whole number of', () => {
    expect([86_400, 5400, 7.5].map((s) => spanWords('en', s))).toEqual(['1 d', '90 min', '7.5 s']);
  });

  it('says the whole rule, also while it is not finished', () => {
    expect(ruleWords('zh', rule(WRITTEN[0], { area: '510104021000000' }), OPTIONS)).toBe('西御河街道的液位计：液位 ≥ 20 cm，持续 1 分钟，回到 19 cm 解除，即报警');
    expect(ruleWords('en', contentOf(emptyForm()), null)).toBe('any device, everywhere: the value ≥ — for 1 min raises Alarm');
  });

  it('takes one language of what the server says in both', () => {
    expect([inOne('zh', '不能启用：太多 / it cannot be switched on: too many'), inOne('en', '不能启用：太多 / it cannot be switched on: too many')]).toEqual(['不能启用：太多', 'it cannot be switched on: too many']);
    expect(inOne('zh', 'a / b')).toBe('a / b');
  });
});

describe('two people on one rule', () => {
  const base = rule(WRITTEN[0]);
  const mine = { ...base, zh: '液位过高' };

  it('brings together what does not touch', () => {
    const theirs = { ...base, condition: WRITTEN[1] };
    expect(differences(base, mine, theirs)).toEqual([{ part: 'zh', theirs: false, mine: true }, { part: 'condition', theirs: true, mine: false }]);
    expect(merged(base, mine, theirs)).toEqual({ ...base, zh: '液位过高', condition: WRITTEN[1] });
    expect(clashes(base, mine, theirs)).toEqual([]);
  });

  it('tells of what both changed, and keeps mine', () => {
    const theirs = { ...base, zh: '液位高', state: 'critical' as const };
    expect(clashes(base, mine, theirs)).toEqual(['zh']);
    expect(merged(base, mine, theirs)).toMatchObject({ zh: '液位过高', state: 'critical' });
    expect(clashes(base, mine, { ...base, zh: '液位过高' })).toEqual([]);
  });
});

describe('a fence', () => {
  const at = { polygon: 0, ring: 0, corner: 0 };

  it('stays closed when its first corner moves', () => {
    const [[ring]] = moved(SQUARE, at, [104.0, 30.00000001]);
    expect(ring[0]).toEqual([104, 30]);
    expect(ring.at(-1)).toEqual(ring[0]);
    expect(ring).toHaveLength(5);
  });

  it('takes corners in and out, and goes with its last three', () => {
    const more = inserted(SQUARE, { ...at, corner: 3 }, [104.0601, 30.661]);
    expect(cornerCount(more)).toBe(5);
    expect(more[0][0][4]).toEqual([104.0601, 30.661]);
    expect(removed(more, { ...at, corner: 4 })).toEqual(SQUARE);
    const three = removed(SQUARE, at);
    expect(cornerCount(three)).toBe(3);
    expect(removed(three, at)).toEqual([]);
  });

  it('loses a hole alone, and everything with its outer border', () => {
    const hole = closed([[104.0605, 30.6605], [104.061, 30.6605], [104.061, 30.661]]);
    const holed: Polygons = [[SQUARE[0][0], hole]];
    expect(removed(holed, { polygon: 0, ring: 1, corner: 0 })).toEqual(SQUARE);
    expect(removed([[hole, hole]], at)).toEqual([]);
    expect(areaM2(holed)).toBeLessThan(areaM2(SQUARE));
  });

  it('knows its size and bounds', () => {
    // 0.002° of longitude at 30.661° N by 0.002° of latitude, on a sphere of 6,371 km
    expect(areaM2(SQUARE)).toBeCloseTo(191.3 * 222.39, -2);
    expect(boundsOf(SQUARE)).toEqual([104.06, 30.66, 104.062, 30.662]);
    expect(boundsOf([])).toBeNull();
  });

  it('reads polygons wherever GeoJSON has them', () => {
    const polygon = { type: 'Polygon', coordinates: SQUARE[0] };
    expect(readGeoJson(writeGeoJson(SQUARE))).toEqual(SQUARE);
    expect(readGeoJson(JSON.stringify({ type: 'Feature', geometry: polygon }))).toEqual(SQUARE);
    expect(readGeoJson(JSON.stringify({ type: 'FeatureCollection', features: [{ type: 'Feature', geometry: polygon }, { type: 'Feature', geometry: { type: 'Point', coordinates: [1, 2] } }] }))).toEqual(SQUARE);
    expect(readGeoJson(JSON.stringify({ type: 'GeometryCollection', geometries: [polygon, polygon] }))).toEqual([...SQUARE, ...SQUARE]);
  });

  it('says what is wrong with the text, and where', () => {
    const fault = (ring: unknown) => readGeoJson(JSON.stringify({ type: 'Polygon', coordinates: [ring] }));
    expect(readGeoJson('{')).toMatchObject({ fault: 'json' });
    expect(readGeoJson('{"type":"Point","coordinates":[1,2]}')).toMatchObject({ fault: 'noPolygon' });
    expect(readGeoJson('null')).toMatchObject({ fault: 'noPolygon' });
    expect(fault([[30.66, 104.06]])).toEqual({ fault: 'swapped', where: '[0][0][0]' });
    expect(fault([[104.06, '30']])).toEqual({ fault: 'position', where: '[0][0][0]' });
    expect(fault([[104, 30], [104, 31], [104, 30]])).toEqual({ fault: 'short', where: '[0][0]' });
    expect(fault([[104, 30], [104, 31], [105, 31], [105, 30]])).toEqual({ fault: 'open', where: '[0][0]' });
  });
});

describe('what a trial found', () => {
  const episode = (device: number, from: string, to: string | null) => ({ device_id: device, uid: `d-${device}`, name: { zh: `设备 ${device}`, en: `Device ${device}` }, kind: 'water_level', property: 'level', lon: 104 + device / 1000, lat: 30, area: null, from, to, worst: 23.4, unit: 'cm' });
  const episodes = [episode(1, '2026-11-21T00:00:00Z', null), episode(2, '2026-11-21T12:00:00Z', '2026-11-21T13:00:00Z'), episode(2, '2026-11-21T23:59:59Z', '2026-11-22T00:00:00Z')];
  const trial = { from: '2026-11-21T00:00:00Z', to: '2026-11-22T00:00:00Z', covered_to: '2026-11-21T18:00:00Z', episodes };

  it('counts when they began', () => {
    expect(bins(trial, 4)).toEqual([1, 0, 1, 1]);
    expect(bins(trial, 96).reduce((sum, n) => sum + n)).toBe(3);
  });

  it('goes on to the end of what was covered', () => {
    expect(episodes.map((one) => lastedS(one, trial))).toEqual([18 * 3600, 3600, 1]);
  });

  it('marks each device once, the chosen one with its name', () => {
    const devices = byDevice(episodes);
    expect(devices.map(({ id, at }) => [id, at])).toEqual([[2, [1, 2]], [1, [0]]]);
    const marks = ruleMarks({ lang: 'zh', t: ((key: string, n: number) => `${key} ${n}`) as never, state: 'alarm', episodes, devices, chosen: 0, places: [], zoom: 15 });
    expect(marks.map(({ key, shape, callout }) => [key, shape, callout])).toEqual([['found:1', 'alarm', false], ['found:0', 'alarm', true]]);
    expect(marks[1].text).toBe('设备 1');
  });
});
