import { describe, expect, it } from 'vitest';
import type { QueueRow } from '../../src/api/case_schema.ts';
import { say, type Key } from '../../src/i18n/index.ts';
import { taskMarks } from '../../src/map/task_marks.ts';
import { takenAt } from '../../src/state/tasks/finish.svelte.ts';
import { partOf } from '../../src/state/tasks/parts.ts';

describe('partOf', () => {
  it('knows where what is given to somebody waits', () => {
    expect(['dispatched', 'handling', 'feedback', 'checking'].map(partOf)).toEqual(['take', 'work', 'done', 'done']);
    expect(['collected', 'filed', 'rated', 'other'].map(partOf)).toEqual([null, null, null, null]);
  });
});

describe('takenAt', () => {
  const now = Date.UTC(2026, 2, 2, 9, 0, 0);

  it('is told of a file that was just written, by the clock of the server', () => {
    expect(takenAt(now - 20_000, now, 3_000)).toBe('2026-03-02T08:59:43.000Z');
  });

  it('is not told of an older file, nor of one from the future', () => {
    expect(takenAt(now - 3_600_000, now, 0)).toBeNull();
    expect(takenAt(now + 1, now, 0)).toBeNull();
  });
});

describe('taskMarks', () => {
  const row = (id: number, more: Partial<QueueRow> = {}) => ({ id, number: `C${id}`, title: { zh: `案件 ${id}`, en: null }, lon: 104, lat: 30, source: 'patrol', state: null, ...more }) as unknown as QueueRow;
  const given = { lang: 'zh' as const, t: (key: Key) => say('zh', key), places: [], zoom: 16, lost: false };

  it('marks every case with a place, and says the number of the open one', () => {
    const marks = taskMarks({ ...given, rows: [row(1), row(2), row(3, { lat: null as never })], open: 2 });
    expect(marks.map((m) => [m.key, m.note, m.callout])).toEqual([
      ['case:1', undefined, false],
      ['case:2', 'C2', true],
    ]);
  });

  it('shows nothing as it is when it may be no longer so', () => {
    expect(taskMarks({ ...given, rows: [row(1)], open: null, lost: true })[0].shape).toBe('unknown');
  });
});
