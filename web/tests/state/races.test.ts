import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Rule, RuleContent } from '../../src/api/rules_schema.ts';
import type { CasePage } from '../../src/state/case_page.svelte.ts';
import { AlarmActs } from '../../src/state/alarm_acts.svelte.ts';
import { Acts } from '../../src/state/desk/acts.svelte.ts';
import { OpenCase } from '../../src/state/desk/open_case.svelte.ts';
import type { LivePage } from '../../src/state/live_page.svelte.ts';
import { Rules } from '../../src/state/rules.svelte.ts';

/** What was asked and has no answer yet, by its path. */
let asked: { path: string; init?: RequestInit; answer: (status: number, body: unknown) => void; fail: () => void }[];

beforeEach(() => {
  asked = [];
  const store = { getItem: () => null, setItem: () => undefined, removeItem: () => undefined };
  vi.stubGlobal('localStorage', store);
  vi.stubGlobal('sessionStorage', store);
  vi.stubGlobal('location', { search: '', pathname: '/rules', origin: 'https://here', host: 'here', protocol: 'https:' });
  vi.stubGlobal('history', { replaceState: () => undefined });
  vi.stubGlobal(
    'fetch',
    (path: string, init?: RequestInit) =>
      new Promise((done, failed) =>
        asked.push({ path, init, answer: (status, body) => done(new Response(JSON.stringify(body), { status })), fail: () => failed(new TypeError('cut')) }),
      ),
  );
});
afterEach(() => vi.unstubAllGlobals());

const settled = () => new Promise((go) => setTimeout(go));
/** Answer the oldest question of a path. */
async function answer(path: string, status: number, body: unknown): Promise<void> {
  const at = asked.findIndex((one) => one.path === path);
  expect(at, `${path} of ${asked.map((one) => one.path).join(' ')}`).toBeGreaterThanOrEqual(0);
  asked.splice(at, 1)[0].answer(status, body);
  await settled();
}

const CONTENT: RuleContent = { zh: '高', en: 'High', state: 'alarm', area: null, kinds: ['water_level'], property: 'level', condition: { type: 'limit', above: 20, below: null, hysteresis: 1, hold_s: 60 }, category_code: null };
const rule = (id: number, version = 1, more: Partial<Rule> = {}): Rule => ({ ...CONTENT, id, version, newest: version, enabled: false, may_manage: true, versions: [], words: { zh: '', en: '' }, ...more }) as unknown as Rule;

async function page(): Promise<Rules> {
  const rules = new Rules();
  rules.list.value = { rules: [rule(1), rule(2)], may_manage: true } as never;
  return rules;
}

describe('rules', () => {
  it('shows the rule that was asked for last, whichever answer comes last', async () => {
    const rules = await page();
    void rules.openRule(1);
    void rules.openRule(2);
    await answer('/api/rules/2', 200, rule(2));
    await answer('/api/rules/1', 200, rule(1));
    expect(rules.open?.id).toBe(2);
  });

  it('keeps what is typed where the same rule was asked for twice', async () => {
    const rules = await page();
    void rules.openRule(1);
    void rules.openRule(1);
    await answer('/api/rules/1', 200, rule(1));
    if (!rules.open) await answer('/api/rules/1', 200, rule(1));
    rules.open!.form.zh = '更高';
    if (asked.length) await answer('/api/rules/1', 200, rule(1));
    expect(rules.open?.form.zh).toBe('更高');
  });

  it('keeps what is typed where an old version was asked for before', async () => {
    const rules = await page();
    void rules.openRule(1);
    await answer('/api/rules/1', 200, rule(1, 2));
    void rules.openRule(1, 1);
    rules.open!.form.zh = '更高';
    await answer('/api/rules/1?version=1', 200, rule(1, 1, { newest: 2 }));
    expect(rules.open?.form.zh).toBe('更高');
  });

  it('keeps what is typed while a change is being saved', async () => {
    const rules = await page();
    void rules.openRule(1);
    await answer('/api/rules/1', 200, rule(1));
    rules.open!.form.zh = '更高';
    void rules.save();
    await settled();
    rules.open!.form.en = 'Higher';
    await answer('/api/rules/1', 200, rule(1, 2, { zh: '更高' }));
    expect([rules.open?.version, rules.open?.form.zh, rules.open?.form.en, rules.open?.dirty]).toEqual([2, '更高', 'Higher', true]);
  });

  it('is clean where nothing was typed while it was saved', async () => {
    const rules = await page();
    void rules.openRule(1);
    await answer('/api/rules/1', 200, rule(1));
    rules.open!.form.zh = '更高';
    rules.open!.reason = '试';
    void rules.save();
    await settled();
    await answer('/api/rules/1', 200, rule(1, 2, { zh: '更高' }));
    expect([rules.open?.version, rules.open?.typed]).toEqual([2, false]);
  });
});

describe('the desk', () => {
  function desk(): { acts: Acts; open: OpenCase; said: string[] } {
    const open = new OpenCase(7);
    open.stand.value = { id: 7, version: 3, number: 'A-7', moves: [] } as never;
    const said: string[] = [];
    const desk = {
      open,
      stand: open.stand.value,
      lang: 'zh',
      t: (key: string) => key,
      say: (words: string) => said.push(words),
      moveOf: () => ({ name: 'note' }),
      refreshQueues: () => undefined,
      onFocus: () => undefined,
      readStand: (one: OpenCase) => one.stand.refresh(),
    } as unknown as CasePage;
    return { acts: new Acts(desk), open, said };
  }

  it('does not send a note twice whose answer was lost', async () => {
    const { acts, open } = desk();
    open.note = '门口积水';
    void acts.record();
    await settled();
    asked.splice(0, 1)[0].fail();
    await settled();
    await answer('/api/cases/7', 200, { id: 7, version: 4, number: 'A-7', moves: [] });
    expect(asked.filter((one) => one.path.endsWith('/acts'))).toEqual([]);
    expect(open.note).toBe('门口积水');
    expect(open.refusal).not.toBe('');
  });

  it('sends a note again where somebody was first', async () => {
    const { acts, open, said } = desk();
    open.note = '门口积水';
    void acts.record();
    await settled();
    await answer('/api/cases/7/acts', 409, { title: 'Conflict', detail: 'stale', version: 4 });
    await answer('/api/cases/7', 200, { id: 7, version: 4, number: 'A-7', moves: [] });
    await answer('/api/cases/7/acts', 200, {});
    await answer('/api/cases/7', 200, { id: 7, version: 5, number: 'A-7', moves: [] });
    expect([open.note, said]).toEqual(['', ['noted']]);
  });

  it('keeps what is typed into the note while one is recorded', async () => {
    const { acts, open } = desk();
    open.note = '门口积水';
    void acts.record();
    await settled();
    open.note = '门口积水，已拍照';
    await answer('/api/cases/7/acts', 200, {});
    await answer('/api/cases/7', 200, { id: 7, version: 4, number: 'A-7', moves: [] });
    expect(open.note).toBe('，已拍照');
  });

  it('closes no dialog but the one that was sent', async () => {
    const acts = new AlarmActs({ mayAcknowledge: true, now: Date.now(), scene: null, t: (key: string) => key, say: () => undefined, failed: String } as unknown as LivePage, () => undefined);
    acts.begin({ group_id: 1, title: 'a', shelving: { id: 5 } as never });
    void acts.confirm();
    await settled();
    acts.leave();
    acts.begin({ group_id: 2, title: 'b', shelving: null });
    acts.tell({ reason: '误报' });
    await answer('/api/alarms/shelved/5/end', 200, {});
    expect([acts.of?.group_id, acts.draft.reason]).toEqual([2, '误报']);
  });
});
