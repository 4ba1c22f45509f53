import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fenceData } from '../../src/map/style.ts';
import { GroupFence } from '../../src/state/group_fence.svelte.ts';

const SQUARE = [[[[104, 30], [104.1, 30], [104.1, 30.1], [104, 30]]]];
const fenced = (id: number, version = 1) => ({ id, version, condition: { type: 'fence', when: 'enter', polygons: SQUARE } });
const group = (id: number | null, version = 1, state = 'alarm') => ({ rule: id === null ? null : { id, version }, state });

let asked: { path: string; answer: (status: number, body: unknown) => Promise<void> }[];
const settled = () => new Promise<void>((go) => setTimeout(go));

beforeEach(() => {
  asked = [];
  vi.stubGlobal('fetch', (path: string) => new Promise((done) => asked.push({ path, answer: (status, body) => (done(new Response(JSON.stringify(body), { status })), settled()) })));
});
afterEach(() => vi.unstubAllGlobals());

describe('the fence of the group in sight', () => {
  it('is read once for each version of its rule, and takes the colour of the group', async () => {
    const fence = new GroupFence();
    void fence.follow(group(7));
    expect(asked.map((one) => one.path)).toEqual(['/api/rules/7']);
    await asked[0].answer(200, fenced(7));
    expect(fence.shown).toEqual({ polygons: SQUARE, state: 'alarm' });
    await fence.follow(group(7, 1, 'critical'));
    expect(fence.shown?.state).toBe('critical');
    await fence.follow(group(7), true);
    expect(fence.shown?.state).toBe('unknown');
    expect(asked).toHaveLength(1);
    expect(fenceData(fence.shown).features[0].geometry).toEqual({ type: 'MultiPolygon', coordinates: SQUARE });
  });

  it('goes with its group, though the answer comes late', async () => {
    const fence = new GroupFence();
    void fence.follow(group(7));
    void fence.follow(undefined);
    await asked[0].answer(200, fenced(7));
    expect(fence.shown).toBeNull();
    expect(fenceData(fence.shown).features).toEqual([]);
  });

  it('is none of rules that watch no border, of limits, and of another version', async () => {
    const fence = new GroupFence();
    void fence.follow(group(8));
    await asked[0].answer(200, { id: 8, version: 1, condition: { type: 'limit', above: 3 } });
    expect(fence.shown).toBeNull();
    await fence.follow(group(null));
    expect(asked).toHaveLength(1);
    void fence.follow(group(7, 1));
    await asked[1].answer(200, fenced(7, 2));
    expect(fence.shown).toBeNull();
  });

  it('is asked for again after it could not be read', async () => {
    const fence = new GroupFence();
    void fence.follow(group(7));
    await asked[0].answer(500, { title: 'away', status: 500 });
    expect(fence.shown).toBeNull();
    void fence.follow(group(7));
    await asked[1].answer(200, fenced(7));
    expect(fence.shown?.polygons).toEqual(SQUARE);
  });
});
