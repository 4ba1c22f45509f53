import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../src/api/client.ts';
import { inOrder, linkEach, refusalOf, staying, type Marked } from '../../../src/state/desk/repeats.ts';

const one = (id: number, number: string, repeats = 0): Marked => ({ id, number, title: number, version: 10 + id, repeats });
const CASES = [one(3, '20260716-1000'), one(1, '20260716-0233'), one(2, '20260716-999')];

describe('cases that are made one', () => {
  it('leaves the lowest number, read as a number', () => {
    expect(inOrder(CASES).map((c) => c.id)).toEqual([1, 2, 3]);
    expect(staying(CASES)?.id).toBe(1);
    expect(staying([])).toBeUndefined();
  });

  it('leaves one that others repeat already: it cannot repeat another', () => {
    expect(staying([...CASES, one(9, '20260717-0001', 2)])?.id).toBe(9);
  });

  it('sends one after the other, each with its version, and goes on after a refusal', async () => {
    const sent: string[] = [];
    let running = 0;
    const { linked, refused } = await linkEach([...CASES, one(4, '20260716-1001')], 2, async (c) => {
      expect(++running).toBe(1);
      await Promise.resolve();
      running -= 1;
      sent.push(`${c.id}@${c.version}`);
      if (c.id === 3) throw new ApiError({ title: 'Conflict', status: 409, version: 15, events: [{ actor: '王*', zh: '立案', en: 'File' }] } as never);
    });
    expect(sent).toEqual(['1@11', '3@13', '4@14']);
    expect(linked.map((c) => c.id)).toEqual([1, 4]);
    expect([...refused.keys()]).toEqual([3]);
    expect(refused.get(3)).toMatchObject({ version: 15, since: [{ actor: '王*' }] });
  });

  it('takes no new version from a refusal that is none of the version', () => {
    expect(refusalOf(new ApiError({ title: 'Forbidden', detail: 'no', status: 403, version: 15 } as never))).toEqual({ said: 'Forbidden: no', since: [], version: null });
    expect(refusalOf(new TypeError('no network'))).toEqual({ said: 'no network', since: [], version: null });
  });
});
