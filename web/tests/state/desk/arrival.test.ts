import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Candidate } from '../../../src/api/case_schema.ts';
import { say, type Key, type Lang } from '../../../src/i18n/index.ts';
import { arrivalInShort, minutesOf, whyOf } from '../../../src/state/desk/arrival.ts';
import { HandlerWay } from '../../../src/state/desk/handler_way.svelte.ts';

const t = (lang: Lang) => (key: Key, ...args: (string | number)[]) => say(lang, key, ...args);
const onFoot = { reasons: [{ zh: '步行 4 分', en: '4 min on foot' }, { zh: '本网格', en: 'owns the grid' }], way_s: 230, straight_m: 190, open_cases: 1, rule: null };
const cutOff = { ...onFoot, reasons: [{ zh: '一小时内无路可达', en: 'no way within an hour' }], way_s: null };
const office = { reasons: [], way_s: null, straight_m: null, open_cases: 2, rule: { zh: '环卫', en: 'Sanitation' } };

describe('why somebody is proposed', () => {
  it('is told in minutes on the streets, and straight only where there is no way, with why', () => {
    expect([whyOf('zh', t('zh'), onFoot), whyOf('en', t('en'), onFoot)]).toEqual([['步行 4 分', '本网格'], ['4 min on foot', 'owns the grid']]);
    expect([whyOf('zh', t('zh'), cutOff), whyOf('en', t('en'), cutOff)]).toEqual([['一小时内无路可达', '直线 190 m'], ['no way within an hour', '190 m straight']]);
    expect(whyOf('zh', t('zh'), office)).toEqual(['2 项在办', '环卫']);
    expect([onFoot, cutOff, office].map((c) => arrivalInShort(t('zh'), c))).toEqual(['4 分', '直线 190 m', '']);
    expect([5, 89, 121, 3600].map(minutesOf)).toEqual([1, 2, 3, 60]);
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
