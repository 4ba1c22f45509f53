import { describe, expect, it } from 'vitest';
import { clock, failure, langOf, monthDay, number, say, span, type Key } from '../../src/i18n/index.ts';
import { accessEn } from '../../src/i18n/access_en.ts';
import { accessZh } from '../../src/i18n/access_zh.ts';
import { alarmsEn } from '../../src/i18n/alarms_en.ts';
import { alarmsZh } from '../../src/i18n/alarms_zh.ts';
import { deskEn } from '../../src/i18n/desk_en.ts';
import { deskZh } from '../../src/i18n/desk_zh.ts';
import { en } from '../../src/i18n/en.ts';
import { rulesEn } from '../../src/i18n/rules_en.ts';
import { rulesZh } from '../../src/i18n/rules_zh.ts';
import { sourcesEn } from '../../src/i18n/sources_en.ts';
import { sourcesZh } from '../../src/i18n/sources_zh.ts';
import { zh } from '../../src/i18n/zh.ts';
import { byStage, focusProperty, groupWhat, leftWords, limitWords, reading, storm, unmarked, urgency } from '../../src/state/groups.ts';
import { freshness } from '../../src/state/staleness.ts';
import { problem } from '../../src/layers/spec.ts';
import { Perf } from '../../src/state/perf.ts';
import type { AlarmGroup, CaseRow } from '../../src/api/schema.ts';

const TABLES: [Record<string, string>, Record<string, string>][] = [[zh, en], [accessZh, accessEn], [deskZh, deskEn], [alarmsZh, alarmsEn], [rulesZh, rulesEn], [sourcesZh, sourcesEn]];

describe('words', () => {
  it('has the same keys and the same places to fill in both languages', () => {
    const places = (text: string) => [...new Set(text.match(/\{\d\}/g) ?? [])].sort();
    for (const [chinese, english] of TABLES) {
      expect(Object.keys(english).sort()).toEqual(Object.keys(chinese).sort());
      for (const [key, text] of Object.entries(chinese)) expect(places(english[key]), key).toEqual(places(text));
    }
  });

  it('keeps each word in one table', () => {
    const keys = TABLES.flatMap(([chinese]) => Object.keys(chinese));
    expect(keys.filter((key, i) => keys.indexOf(key) !== i)).toEqual([]);
  });

  it('groups thousands by thin spaces and uses a true minus sign', () => {
    expect(number(3118)).toBe('3\u202f118');
    expect(number(1204331)).toBe('1\u202f204\u202f331');
    expect(number(-0.3)).toBe('−0.3');
    expect(number(31.4, 1)).toBe('31.4');
    expect([number(null), number(NaN), number(Infinity)]).toEqual(['—', '—', '—']);
  });

  it('tells ages in words', () => {
    expect([0.84, 41, 1080, 7200, 7800, 200_000].map((s) => span('zh', s))).toEqual(['0.8 秒', '41 秒', '18 分', '2 时', '2 时 10 分', '2 天']);
    // what has not passed is not counted: never 60 秒, never a minute too many
    expect([59.6, 119, 3599, 7199].map((s) => span('zh', s))).toEqual(['59 秒', '1 分', '59 分', '1 时 59 分']);
    expect([746, 3599, 3700, 200_000].map((s) => clock('zh', s))).toEqual(['12:26', '59:59', '1:01', '2 天']);
    expect(clock('en', 200_000)).toBe('2 d');
  });

  it('writes days as people do', () => {
    expect([monthDay('zh', 7, 16), monthDay('en', 7, 16), monthDay('en', 12, 1)]).toEqual(['7 月 16 日', '16 Jul', '1 Dec']);
  });

  it('is Chinese unless English is asked for', () => {
    expect([langOf('', null), langOf('?lang=en', null), langOf('', 'en'), langOf('?lang=zh', 'en')]).toEqual(['zh', 'en', 'en', 'zh']);
    expect(say('en', 'interrupted', '01:05')).toBe('No data for 01:05');
    // what a browser says when nobody answers is in its own words
    expect(['Failed to fetch', 'NetworkError when attempting to fetch resource.', 'Load failed', 'signal timed out'].map((s) => failure('zh', s))).toEqual(Array(4).fill('读取失败：服务器无应答'));
    expect(failure('en', 'Not found: 7')).toBe('Could not read: Not found: 7');
  });
});

describe('alarm groups', () => {
  const group = { title: { zh: '燃气浓度' }, members: ['alarm', 'critical', 'offline', 'critical'].map((state, i) => ({ alarm_id: i, device_id: i, state, value: 1 })) } as unknown as AlarmGroup;

  it('says a word once and orders a storm worst first', () => {
    expect(groupWhat('zh', group)).toBe('燃气浓度');
    expect(storm(group)).toEqual({ counts: [[5, 2], [4, 1], [2, 1]], cells: [5, 5, 4, 2] });
  });

  it('reads words for values, units for numbers, and nothing for nothing', () => {
    expect(reading('zh', { unit: '', words: [['关', 'closed'], ['开', 'open']] }, 1)).toBe('开');
    expect(reading('en', { unit: 'cm', decimals: 1 }, 31.42)).toBe('31.4 cm');
    expect(reading('zh', { unit: 'Cel', decimals: 1 }, 19.2)).toBe('19.2 °C');
    expect(reading('zh', undefined, null)).toBe('—');
  });

  it('shows the property the alarm is about, else the worst', () => {
    const properties = [{ name: 'open', state: 'normal' }, { name: 'battery', state: 'warning' }];
    expect(focusProperty(properties, 'open')!.name).toBe('open');
    expect(focusProperty(properties, undefined)!.name).toBe('battery');
    expect(focusProperty([], undefined)).toBeUndefined();
  });

  it('drops the mark of the simulated from names in both languages', () => {
    expect(unmarked('电梯异响（模拟）')).toBe('电梯异响');
    expect(unmarked('gas detector (simulated)')).toBe('gas detector');
  });
});

describe('cases', () => {
  const row = (opened: number, due: number | null): CaseRow => ({ opened_at: new Date(opened * 1000).toISOString(), due_at: due === null ? null : new Date(due * 1000).toISOString(), stage: 'x' }) as CaseRow;

  it('is over, soon or neither', () => {
    expect(urgency(row(0, 100), 101)).toBe('over');
    expect(urgency(row(0, 100), 80)).toBe('soon');
    expect(urgency(row(0, 100), 10)).toBe('normal');
    expect(urgency(row(0, null), 10)).toBe('normal');
  });

  it('goes by the stage it stands in, and stands still while it is parked', () => {
    const at = (s: number) => new Date(s * 1000).toISOString();
    const staged = { ...row(0, 90_000), stage_since: at(3600), stage_due_at: at(7200) };
    expect([urgency(staged, 3700), urgency(staged, 6900), urgency(staged, 7300)]).toEqual(['normal', 'soon', 'over']);
    const parked = { ...staged, parked_at: at(5400) };
    expect(urgency(parked, 99_999)).toBe('normal');
    expect(leftWords((key: Key, ...args: (string | number)[]) => say('zh', key, ...args), parked, 99_999)).toBe('停 0:30');
  });

  it('says what is left and what was given', () => {
    const t = (key: Key, ...args: (string | number)[]) => say('zh', key, ...args);
    expect([leftWords(t, row(0, 7200), 60), leftWords(t, row(0, 7200), 7200 + 3360), leftWords(t, row(0, null), 0)]).toEqual(['1:59', '超 0:56', '无时限']);
    expect([limitWords(t, row(0, 900)), limitWords(t, row(0, 7200)), limitWords(t, row(0, 72 * 3600)), limitWords(t, row(0, null))]).toEqual(['限 15 分', '限 2 时', '限 3 天', '']);
  });

  it('keeps the order of stages', () => {
    const rows = ['b', 'a', 'b'].map((stage, id) => ({ stage, id }) as unknown as CaseRow);
    expect(byStage(rows).map((s) => [s.stage, s.rows.length])).toEqual([['b', 2], ['a', 1]]);
  });
});

describe('freshness', () => {
  const age = { newest_s: 0.8, count: 10, state: 'live' as const };

  it('ages on while the server is silent', () => {
    expect(freshness(age, 'live', 0.5, 0)).toEqual({ state: 'live', ageS: 0.8 });
    expect(freshness(age, 'waiting', 11, 10)).toEqual({ state: 'late', ageS: 10.8 });
  });

  it('is dead 30 s after the connection was lost, whatever was said before', () => {
    expect(freshness(age, 'waiting', 31, 31).state).toBe('dead');
    expect(freshness(undefined, 'connecting', 31, 31).state).toBe('dead');
    expect(freshness({ ...age, state: 'dead' }, 'waiting', 5, 5).state).toBe('dead');
  });
});

describe('layer declarations', () => {
  it('refuses classes it does not have and data that are not ours', () => {
    expect(problem({ '@@type': 'DevicePointLayer', id: 'd', data: 'live:devices' })).toBeNull();
    expect(problem({ '@@type': 'H3HexagonLayer', id: 'h', data: '/api/heat?resolution=10' })).toBeNull();
    expect(problem({ '@@type': 'EvilLayer', id: 'e', data: 'live:devices' })).toContain('EvilLayer');
    for (const data of ['https://elsewhere.example/x.json', '//elsewhere.example/x', '/tiles/../api', '/api/../secret', 'live:nothing']) expect(problem({ '@@type': 'PathLayer', id: 'p', data }), data).toContain(data);
  });
});

describe('Perf', () => {
  it('reports median and 95th percentile of batches of a size', () => {
    const perf = new Perf();
    for (let i = 1; i <= 100; i++) perf.record(i, 0, 5000);
    perf.record(1000, 1000, 1);
    expect(perf.summary(5000)).toMatchObject({ batches: 100, median_ms: 51, p95_ms: 96, max_ms: 100 });
    for (let i = 0; i < 5000; i++) perf.record(1, 1, 5000);
    expect(perf.summary().batches).toBe(4096);
  });
});
