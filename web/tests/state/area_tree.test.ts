import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AreaChoice } from '../../src/api/access_schema.ts';
import { onSignedOut } from '../../src/api/client.ts';
import { AreaTree } from '../../src/state/area_tree.svelte.ts';

const NAMES: Record<string, string> = { '': '', '51': '成都市', '5101': '青羊区', '5102': '锦江区', '510101': '草市街街道', '51010101': '楠木社区', '510102': '西御河街道' };
const inside = (code: string) => Object.keys(NAMES).filter((c) => c.length === code.length + 2 && c.startsWith(code));
const area = (code: string): AreaChoice => ({ code, level: 'street', name: { zh: NAMES[code] }, above: [], inside: inside(code).length });

describe('the tree of areas', () => {
  let asked: string[];
  let tree: AreaTree;
  const shown = () => (tree.rows ?? []).map((row) => `${'-'.repeat(row.depth)}${row.area.name.zh}`);
  const settled = () => new Promise((go) => setTimeout(go));

  beforeEach(async () => {
    onSignedOut(() => undefined);
    asked = [];
    vi.stubGlobal('fetch', (path: string) => {
      const query = new URLSearchParams(path.split('?')[1]);
      asked.push(path);
      const q = query.get('q');
      const codes = q ? Object.keys(NAMES).filter((code) => code && NAMES[code].includes(q)) : inside(query.get('under') ?? '');
      return Promise.resolve(new Response(JSON.stringify(codes.map(area))));
    });
    tree = new AreaTree('/api/areas');
    await tree.start();
  });
  afterEach(() => vi.unstubAllGlobals());

  it('is open as far down as there is nothing to choose between', () => {
    expect(shown()).toEqual(['-成都市', '--青羊区', '--锦江区']);
  });

  it('is walked by the arrow keys, reading a branch once', async () => {
    for (const key of ['ArrowDown', 'ArrowRight']) expect(tree.press(key)).toBe(true);
    await settled();
    expect(shown()).toEqual(['-成都市', '--青羊区', '---草市街街道', '---西御河街道', '--锦江区']);
    tree.press('ArrowRight');
    expect(tree.at).toBe('510101');
    tree.press('ArrowLeft');
    expect(tree.at).toBe('5101');
    tree.press('ArrowLeft');
    expect(shown()).toHaveLength(3);
    const { length } = asked;
    tree.press('ArrowRight');
    await settled();
    expect(asked).toHaveLength(length);
    tree.press('End');
    expect(tree.at).toBe('5102');
    tree.press('ArrowDown');
    expect(tree.at).toBe('5102');
    tree.press('Home');
    expect(tree.at).toBe('51');
    expect(tree.press('x')).toBe(false);
  });

  it('says to a screen reader which of how many a row is', () => {
    expect(tree.rows!.map((row) => [row.at, row.of])).toEqual([[1, 1], [1, 2], [2, 2]]);
  });

  it('shows what a search found, opens it further, and the tree again without words', async () => {
    await tree.search('街道');
    expect(shown()).toEqual(['-草市街街道', '-西御河街道']);
    tree.press('ArrowRight');
    await settled();
    expect(shown()).toEqual(['-草市街街道', '--楠木社区', '-西御河街道']);
    await tree.search('  ');
    expect(shown()[0]).toBe('-成都市');
  });

  it('does not show the answer to an earlier search', async () => {
    const early = tree.search('街道');
    await tree.search('锦江');
    await early;
    expect(shown()).toEqual(['-锦江区']);
  });
});
