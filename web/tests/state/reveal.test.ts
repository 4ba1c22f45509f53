import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { isPhone, Reveal, SHOWN_S } from '../../src/state/reveal.svelte.ts';

const TOLD = { name: '张三丰', phone: '15400001234' };

function answer(status: number, body: unknown, after?: Promise<void>) {
  const fetched = vi.fn(async (..._asked: unknown[]) => {
    await after;
    return new Response(JSON.stringify(body), { status });
  });
  vi.stubGlobal('fetch', fetched);
  return fetched;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('what is revealed is masked again after its time', async () => {
  const fetched = answer(200, TOLD);
  const reveal = new Reveal();
  await reveal.ask('/api/cases/7/reveal', ' 回访 ');
  expect(reveal.told).toEqual(TOLD);
  expect(JSON.parse((fetched.mock.calls[0][1] as RequestInit).body as string)).toEqual({ reason: '回访' });
  vi.advanceTimersByTime((SHOWN_S - 1) * 1000);
  expect(reveal.told).toEqual(TOLD);
  expect(reveal.leftS).toBe(1);
  vi.advanceTimersByTime(1000);
  expect(reveal.told).toBeNull();
});

test('nothing is asked without a reason', async () => {
  const fetched = answer(200, TOLD);
  const reveal = new Reveal();
  await reveal.ask('/api/cases/7/reveal', '  ');
  expect(fetched).not.toHaveBeenCalled();
});

test('a refusal says why and how long to wait', async () => {
  answer(429, { title: 'Too Many Requests', detail: 'too many persons', hint: 'wait 90 s' });
  const reveal = new Reveal();
  await reveal.ask('/api/cases/7/reveal', '回访');
  expect(reveal.told).toBeNull();
  expect(reveal.problem).toBe('too many persons · wait 90 s');
  expect(reveal.busy).toBe(false);
});

test('an answer that comes after it was closed is not shown', async () => {
  let go = (): void => undefined;
  answer(200, TOLD, new Promise<void>((then) => (go = then)));
  const reveal = new Reveal();
  const asked = reveal.ask('/api/cases/7/reveal', '回访');
  reveal.hide();
  go();
  await asked;
  expect(reveal.told).toBeNull();
});

test('a whole phone number is known from other numbers', () => {
  for (const phone of ['13812341234', '+86 138-1234-1234', '8613812341234', '028-86665555', '１３８１２３４１２３４']) expect(isPhone(phone), phone).toBe(true);
  for (const other of ['1381234123', '510104021001013', 'SIM-0001', '12345', '138****1234', '']) expect(isPhone(other), other).toBe(false);
});
