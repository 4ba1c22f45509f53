import { describe, expect, it } from 'vitest';
import type { Surroundings } from '../../../src/api/case_schema.ts';
import { LONGEST_NOTE, modelOf, withNote } from '../../../src/state/desk/model.ts';

const like = (id: number, note: string | null): Surroundings['similar'][number] => ({ id, number: '', title: '', opened_at: '', closed_at: null, took_s: null, note });
const SIMILAR = [like(1, ' '), like(2, '泵车 2 台'), like(3, '清掏雨水箅'), like(4, '不在列表中')];

describe('how a similar case was handled', () => {
  it('is that of the chosen one, else of the first that says', () => {
    expect(modelOf(SIMILAR, null)?.id).toBe(2);
    expect(modelOf(SIMILAR, 3)?.id).toBe(3);
    expect(modelOf(SIMILAR, 1)?.id).toBe(2);
    expect(modelOf(SIMILAR, 4)?.id).toBe(2); // what is not listed cannot be chosen
    expect(modelOf([like(1, null)], 1)).toBeUndefined();
  });

  it('goes behind what is typed, once', () => {
    expect(withNote('', ' 泵车 2 台 ')).toBe('泵车 2 台');
    expect(withNote('已到场 ', '泵车 2 台')).toBe('已到场 泵车 2 台');
    expect(withNote('已到场 泵车 2 台', '泵车 2 台')).toBe('已到场 泵车 2 台');
  });

  it('never makes a note too long to be recorded', () => {
    const full = '字'.repeat(LONGEST_NOTE - 2);
    expect(withNote(full, '泵')).toHaveLength(LONGEST_NOTE);
    expect(withNote(full, '泵车')).toBe(full);
  });
});
