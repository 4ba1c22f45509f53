import { describe, expect, it } from 'vitest';
import { partLines } from '../../src/state/health.ts';

describe('partLines', () => {
  it('names parts and states in words, in a fixed order, with their figures', () => {
    const lines = partLines('zh', { disk: { state: 'ok', free_bytes: 2 ** 31 }, board: { state: 'ok', devices: 3000, workers: 69 }, database: { state: 'ok', detail: 'PostGIS 3.3.2, 1.2 ms' } });
    expect(lines.map((l) => l.label)).toEqual(['数据库', '状态板', '磁盘']);
    expect(lines.map((l) => l.word)).toEqual(['正常', '正常', '正常']);
    expect(lines[1].detail).toContain('69');
    expect(lines[2].detail).toContain('2.0 GiB');
    expect(lines[0].detail).toBe(''); // an English remark of the server says nothing to others while all is well
  });

  it('tells why something is wrong, and does not call wrong what was not asked for', () => {
    const [database, simulator] = partLines('zh', { simulator: { state: 'off', detail: 'not asked for' }, database: { state: 'down', detail: 'no answer within 2 s' } });
    expect(database).toMatchObject({ well: false, word: '中断', detail: 'no answer within 2 s' });
    expect(simulator).toMatchObject({ well: true, word: '未启用' });
  });

  it('shows parts and states of a newer server as they are', () => {
    expect(partLines('en', { relay: { state: 'warming' } })[0]).toMatchObject({ label: 'relay', word: 'warming', well: false });
  });
});
