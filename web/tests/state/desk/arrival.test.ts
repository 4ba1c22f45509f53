import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Candidate } from '../../../src/api/case_schema.ts';
import { say, type Key, type Lang } from '../../../src/i18n/index.ts';
import { arrivalInShort, arrivalOf, minutesOf } from '../../../src/state/desk/arrival.ts';
import { HandlerWay } from '../../../src/state/desk/handler_way.svelte.ts';

const t = (lang: Lang) => (key: Key, ...args: (string | number)[]) => say(lang, key, ...args);
const onFoot = { way_s: 230, by: { zh: '步行', en: 'on foot' }, no_way: null, straight_m: 190 };
const cutOff = { ...onFoot, way_s: null, no_way: { zh: '步行无路可达', en: 'no way on foot' } };
const unknown = { way_s: null, by: null, no_way: null, straight_m: null };

describe('how soon somebody is there', () => {
  it('is told in minutes on the streets, and straight only where there is no way, with why', () => {
    expect([arrivalOf('zh', t('zh'), onFoot), arrivalOf('en', t('en'), onFoot)]).toEqual([['步行 4 分'], ['4 min on foot']]);
    expect([arrivalOf('zh', t('zh'), cutOff), arrivalOf('en', t('en'), cutOff)]).toEqual([['步行无路可达', '直线 190 m'], ['no way on foot', '190 m straight']]);
    expect([onFoot, cutOff, unknown].map((c) => arrivalInShort(t('zh'), c))).toEqual(['4 分', '直线 190 m', '']);
    expect(arrivalOf('zh', t('zh'), unknown)).toEqual([]);
    expect([5, 89, 91, 3600].map(minutesOf)).toEqual([1, 1, 2, 60]);
  });
});

describe('the way that is drawn', () => {
  afterEach(() => vi.unstubAllGlobals());
  const going = (id: number, way_s: number | null = 60) => ({ worker_id: id, tracker_id: id, profile: 'foot', way_s }) as unknown as Candidate;

  it('is that of who is looked at now, from where they are to the case', async () => {
    const waiting = new Map<string, (lon: number) => void>();
    vi.stubGlobal('fetch', (path: string) => new Promise((done) => waiting.set(path, (lon) => done(new Response(JSON.stringify({ seconds: 1, start: { lon, lat: 1 }, goal: { lon: 9, lat: 9 }, line: { coordinates: [[lon, 2]] } }), { headers: { 'content-type': 'application/json' } })))));
    const way = new HandlerWay();
    const first = way.follow(5, going(1));
    const second = way.follow(5, going(2));
    waiting.get('/api/ways?from=worker/2&to=case/5&profile=foot')!(2);
    await second;
    waiting.get('/api/ways?from=worker/1&to=case/5&profile=foot')!(1);
    await first;
    expect(way.path).toEqual([[2, 1], [2, 2], [9, 9]]);
    const again = way.follow(5, going(2));
    expect(way.path, 'it stays while it is asked for again').toHaveLength(3);
    waiting.get('/api/ways?from=worker/2&to=case/5&profile=foot')!(3);
    await again;
    expect(way.path[0]).toEqual([3, 1]);
    await way.follow(5, going(3, null));
    expect(way.path, 'who has no way has no line').toEqual([]);
  });

  it('is none where it is refused', async () => {
    vi.stubGlobal('fetch', () => Promise.resolve(new Response('{"status":409}', { status: 409 })));
    const way = new HandlerWay();
    await way.follow(5, going(1));
    expect(way.path).toEqual([]);
  });
});
