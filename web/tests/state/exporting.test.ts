import { describe, expect, it } from 'vitest';
import { ApiError } from '../../src/api/client.ts';
import { choosable, exportPath, presetOf, whyNot, type Choice, type Exports } from '../../src/state/exporting.ts';

const title = { zh: '消防', en: 'Fire safety' };
const device = { id: 7, name: { zh: '液位计一号', en: null } };
const now = new Date('2026-01-08T00:00:00Z');
const choice: Choice = { table: 'devices', format: 'csv', area: null, open: true, days: 7, filter: null, device: null };
const exports: Exports = {
  tables: ['devices', 'readings', 'alarms'].map((name) => ({ name, title, formats: ['csv'] })),
  most_rows: 50_000,
};

describe('what is taken out', () => {
  it('begins with what is looked at', () => {
    expect(presetOf({ key: 'group-fire', title }, null)).toEqual({ table: 'devices', filter: { name: 'group', value: 'fire', title }, device: null });
    expect(['open_alarms', 'on_duty_workers', 'sensor_first', 'online_devices'].map((key) => presetOf({ key, title }, null).table)).toEqual(['alarms', 'workers', 'cases', 'devices']);
    expect([presetOf(null, device).table, presetOf(null, null).table]).toEqual(['readings', 'devices']);
  });

  it('is what the server offers; readings are of a device', () => {
    const names = (preset: ReturnType<typeof presetOf>) => choosable(exports, preset).map((t) => t.name);
    expect(names(presetOf(null, null))).toEqual(['devices', 'alarms']);
    expect(names(presetOf(null, device))).toEqual(['devices', 'readings', 'alarms']);
    expect(choosable(null, presetOf(null, null))).toEqual([]);
  });

  it('is asked for with the filters that its table has', () => {
    expect(exportPath(choice, 'zh', now)).toBe('/api/exports/devices.csv?lang=zh');
    expect(exportPath({ ...choice, area: '510104021000000', filter: { name: 'group', value: 'fire', title } }, 'en', now)).toBe('/api/exports/devices.csv?lang=en&area=510104021000000&group=fire');
    const alarms = new URL(exportPath({ ...choice, table: 'alarms', filter: { name: 'group', value: 'fire', title } }, 'zh', now), 'http://x').searchParams;
    expect(Object.fromEntries(alarms)).toEqual({ lang: 'zh', open: 'true', from: '2026-01-01T00:00:00.000Z', to: '2026-01-08T00:00:00.000Z' });
    const readings = new URL(exportPath({ ...choice, table: 'readings', device: 7, area: '510104000000000', days: 1 }, 'zh', now), 'http://x').searchParams;
    expect(Object.fromEntries(readings)).toEqual({ lang: 'zh', device: '7', from: '2026-01-07T00:00:00.000Z', to: '2026-01-08T00:00:00.000Z' });
  });

  it('says in plain words why it was not', () => {
    const refused = (status: number, where: string, detail = '') => whyNot('zh', new ApiError({ title: 't', status, where, detail, hint: '' }));
    expect(refused(422, 'rows', 'this export would have 73412 rows, one file has at most 50000')).toContain('共 73\u202f412 行，一个文件最多 50\u202f000 行');
    expect([refused(429, 'exports'), refused(429, '/api/exports/devices.csv')]).toEqual(['已有导出正在进行，请稍后再试。', '导出过于频繁，请一分钟后再试。']);
    expect([refused(403, 'area'), refused(403, '/api/exports/cases.csv'), refused(404, 'area')]).toEqual(['此账号无权导出这个区域的数据。', '此账号无权导出这张表。', '没有这个区域，请核对区划代码。']);
    expect(whyNot('en', new TypeError('Failed to fetch'))).toContain('does not answer');
  });
});
