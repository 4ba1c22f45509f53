import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { MessageFields, Source, SourceList, Wrong } from '../../src/api/sources_schema.ts';
import { say, type Key } from '../../src/i18n/index.ts';
import { emptyForm, emptyValue, formOf, isWhole, mappingOf, offeredFields, readDevices, wrongFields } from '../../src/state/mapping_form.ts';
import { indented, shownPayload } from '../../src/state/payload.ts';
import { lag, lastWords, needsLook, percent, rate, reasonWord, stateOf, whatIsWrong, whatToDo, whatToDoAbout, wholeMinutes } from '../../src/state/source_words.ts';

const TAKEN = '2026-11-22T07:00:00Z';
const source = (part: Partial<Source> = {}): Source => ({ id: 'gateway-mqtt', protocol: 'mqtt', format: 'device_schema', address: 'gt/v1/gateways/+/observations', name_zh: '网关', name_en: 'Gateways', state: 'running', paused_at: null, paused_by: null, pause_reason: null, messages: 0, stored: 0, refused: 0, refused_share: null, refused_reasons: [], messages_per_s: null, lag_s: null, last_message_at: null, is_silent: null, per_minute: Array.from({ length: 60 }, (_, i) => i), ...part });
const list = (since: string): SourceList => ({ taken_at: TAKEN, since, sources: [] });

describe('a way in', () => {
  it('says how long ago its last message came, and marks what is no longer usual', () => {
    const at = (seconds: number, part: Partial<Source> = {}) => lastWords('zh', source({ last_message_at: new Date(Date.parse(TAKEN) - seconds * 1000).toISOString(), ...part }), TAKEN, 0);
    expect([at(0.2), at(3.9), at(59)]).toEqual(['0 秒前', '3 秒前', '59 秒前'].map((text) => ({ text, stale: false })));
    expect([at(60), at(3600)]).toEqual([{ text: '1 分前', stale: true }, { text: '1 时前', stale: true }]);
    // where the table says what is usual there, that counts
    expect([at(40, { is_silent: true }).stale, at(600, { is_silent: false }).stale]).toEqual([true, false]);
    expect(lastWords('zh', source(), TAKEN, 9_000)).toEqual({ text: '尚无报文', stale: true });
    // what was read a while ago has aged since
    expect(lastWords('en', source({ last_message_at: TAKEN }), TAKEN, 7_000).text).toBe('7 s ago');
  });

  it('shows no number that it does not have', () => {
    expect([rate(null), lag('zh', null), percent(null)]).toEqual(['—', '—', '—']);
    expect([rate(0), rate(0.0166), rate(1.25), rate(1234.4)]).toEqual(['0', '0.02', '1.3', '1\u202f234']);
    expect([percent(0), percent(0.0004), percent(0.0123), percent(0.9999), percent(1)]).toEqual(['0%', '< 0.1%', '1.2%', '> 99.9%', '100%']);
    expect([lag('zh', 0.0123), lag('zh', 2.5), lag('zh', 90)]).toEqual(['12 ms', '2.5 秒', '1 分']);
  });

  it('draws whole minutes only, and none from before the server counted', () => {
    expect(wholeMinutes(list('2026-11-22T00:00:00Z'), source())).toEqual(Array.from({ length: 59 }, (_, i) => i));
    expect(wholeMinutes(list('2026-11-22T06:57:30Z'), source())).toEqual([57, 58]);
    expect(wholeMinutes(list('2026-11-22T06:59:30Z'), source())).toEqual([]);
  });

  it('tells its state by shape and word, and whether somebody should look', () => {
    const told = (part: Partial<Source>) => Object.values(stateOf('zh', source(part)));
    expect([told({}), told({ is_silent: true }), told({ state: 'paused', is_silent: true }), told({ state: 'down' }), told({ state: 'off' })]).toEqual([['normal', '运行'], ['unknown', '静默'], ['paused', '已暂停'], ['critical', '中断'], ['offline', '未接入']]);
    expect([{}, { state: 'off' as const }, { refused_share: 0.009 }].map((part) => needsLook(source(part)))).toEqual([false, false, false]);
    expect([{ state: 'paused' as const }, { is_silent: true }, { refused_share: 0.01 }].map((part) => needsLook(source(part)))).toEqual([true, true, true]);
  });

  it('has words for every reason, and for what to do about it', () => {
    const table = readFileSync('../twin/store/quarantine.py', 'utf8').split('WHAT_TO_DO = {')[1].split('\n}')[0];
    const codes = [...table.matchAll(/^ {4}"(\w+)":/gm)].map((m) => m[1]);
    expect(codes.length).toBeGreaterThan(20);
    for (const code of codes)
      for (const lang of ['zh', 'en'] as const) {
        expect(reasonWord(lang, code), code).not.toBe(code);
        expect(whatToDo(lang, code), code).not.toBe('');
      }
    expect([reasonWord('zh', 'of_tomorrow'), whatToDo('zh', 'of_tomorrow')]).toEqual(['of_tomorrow', '']);
    expect([whatToDo('zh', 'bad_time', true), whatToDo('zh', 'too_fast', true)]).toEqual(['改映射的 time、time_form 和 zone，再重放', whatToDo('zh', 'too_fast')]);
  });

  it('says what is wrong with a refused message in the language of the page, and in English what was kept before', () => {
    const words = { what: { zh: '没有时区', en: 'no zone' }, where: { zh: '设备 a', en: 'device a' }, hint: null, cut_from: 0 };
    const refused = { reason: 'bad_time', detail: 'no zone · at device a', words };
    expect(whatIsWrong('zh', refused)).toEqual({ text: '没有时区 · 设备 a', lang: undefined });
    expect(whatIsWrong('en', { ...refused, words: { ...words, cut_from: 300_000 } }).text).toBe('no zone (cut from 300\u202f000 bytes) · device a');
    expect(whatIsWrong('zh', { ...refused, words: null })).toEqual({ text: 'no zone · at device a', lang: 'en' });
    expect([whatToDoAbout('zh', refused), whatToDoAbout('zh', { ...refused, words: { ...words, hint: { zh: '末尾写 Z', en: 'end it with Z' } } })]).toEqual([whatToDo('zh', 'bad_time'), '末尾写 Z']);
  });

  it('has every word in both languages', () => {
    const words = ['zh', 'en'].map((lang) => [...readFileSync(`src/i18n/sources_${lang}.ts`, 'utf8').matchAll(/^ {2}(\w+): '/gm)].map((m) => m[1]));
    expect(words[0]).toEqual(words[1]);
    for (const key of words[0]) expect(say('en', key as Key), key).not.toMatch(/\p{Script=Han}/u);
  });
});

describe('a payload', () => {
  it('is set out a member a line, its numbers as they were written', () => {
    expect(indented('{"a":1e400,"n":12345678901234567890,"s":"x, {y}: \\"z\\"","l":[1, {}],"e":[ ]}')).toBe('{\n  "a": 1e400,\n  "n": 12345678901234567890,\n  "s": "x, {y}: \\"z\\"",\n  "l": [\n    1,\n    {}\n  ],\n  "e": []\n}');
    expect(indented('"a"')).toBe('"a"');
  });

  it('is shown as it came where it is no JSON, and said to be base64 where it is no text', () => {
    expect([shownPayload('{"a":', 'text'), shownPayload('AAA=', 'base64'), shownPayload('', 'text')].map((s) => s.form)).toEqual(['as_is', 'base64', 'empty']);
    expect(shownPayload('{"a":', 'text').text).toBe('{"a":');
  });
});

describe('the form of a mapping', () => {
  const mapping = { items: 'data.list', device: 'devId', prefix: 'WL-', devices: { 'a=b': 'water-0001' }, time: 'ts', time_form: 'seconds' as const, values: [{ property: 'level', path: 'v.lvl', unit: 'mm', factor: 0.1, offset: -2 }], place: { lon: 'x', lat: 'y', system: 'gcj02' as const } };

  it('gives back the mapping it was filled from', () => {
    expect(mappingOf(formOf(mapping))).toEqual(mapping);
    const least = { device: 'id', time: 't', time_form: 'milliseconds' as const, values: [{ property: 'level', path: 'l' }] };
    expect(mappingOf(formOf(least))).toEqual(least);
    expect(mappingOf({ ...formOf(least), values: [...formOf(least).values, emptyValue()] })).toEqual(least);
  });

  it('reads a table of numbers, and says which line is none', () => {
    expect(readDevices('a = b\n\nc=d = e\nf\tg').devices).toEqual({ a: 'b', 'c=d': 'e', f: 'g' });
    expect([readDevices('a = b\nc').bad, readDevices('= b').bad, readDevices('a =').bad, readDevices('').bad]).toEqual([2, 1, 1, 0]);
    expect(Object.keys(readDevices('__proto__ = x').devices)).toEqual(['__proto__']);
  });

  it('is whole once device, time and one reading are said, and every number is one', () => {
    const whole = formOf(mapping);
    expect([isWhole(emptyForm()), isWhole(whole)]).toEqual([false, true]);
    const not = [{ device: ' ' }, { time: '' }, { values: [emptyValue()] }, { values: [{ ...whole.values[0], property: '' }] }, { values: [{ ...whole.values[0], factor: '1e999' }] }, { lon: '' }, { devices: 'a' }];
    expect(not.map((part) => isWhole({ ...whole, ...part }))).toEqual(not.map(() => false));
    expect(isWhole({ ...whole, moves: false, lon: '' })).toBe(true);
  });

  it('offers the fields of the items that are chosen', () => {
    const field = (path: string, items: string | null) => ({ path, items, types: [], samples: [], count: 1, time_form: null });
    const found: MessageFields = { fields: [field('code', null), field('data.list[0].ts', null), field('ts', 'data.list'), field('other', '')], lists: [], left_out: 0 };
    expect(offeredFields(found, 'data.list').map((f) => f.path)).toEqual(['ts']);
    expect(offeredFields(found, '').map((f) => f.path)).toEqual(['code', 'data.list[0].ts', 'other']);
    expect(offeredFields(null, '')).toEqual([]);
  });

  it('marks the field that something wrong is about', () => {
    const wrong = (path: string, reason: string): Wrong => ({ item: 0, device: '', path, found: '', reason, what: { zh: '', en: '' }, hint: { zh: '', en: '' } });
    const form = { ...formOf(mapping), values: [emptyValue(), ...formOf(mapping).values] };
    const marks = (path: string, reason = 'missing_field') => [...wrongFields(form, [wrong(path, reason)])];
    expect([marks('devId', 'unknown_device'), marks('ts', 'bad_time'), marks('data.list'), marks('v.lvl'), marks('v.lvl', 'wrong_unit'), marks('v.lvl', 'unknown_property'), marks('x', 'bad_position')]).toEqual([['device'], ['time'], ['items'], ['values.1.path'], ['values.1.unit'], ['values.1.property'], ['lon']]);
    // rows that are empty are not sent: the first value of the mapping is the second of the form
    expect([marks('mapping.values[0].path', 'mapping'), marks('mapping.values[0]', 'mapping'), marks('mapping.zone', 'mapping'), marks('mapping.place.lat', 'mapping'), marks('mapping.devices[...]', 'mapping')]).toEqual([['values.1.path'], ['values.1.factor', 'values.1.offset'], ['zone'], ['lat'], ['devices']]);
    expect(marks('', 'malformed')).toEqual([]);
  });
});
