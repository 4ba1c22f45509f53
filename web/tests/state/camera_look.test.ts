import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ApiError } from '../../src/api/client.ts';
import { CameraLook, problemOf } from '../../src/state/camera_look.svelte.ts';

const STREAM = { id: 4, has_stream: true, made_up: false, may_look: true, state: 'ok', reason: null, since: null, checked_at: null };
const TAKEN = { url: '/api/pictures/a', taken_at: '2026-11-22T04:00:00Z', until: '2026-11-22T04:01:00Z', simulated: false };

let answers: Record<string, () => Response>;
const json = (body: unknown, status = 200) => () => new Response(JSON.stringify(body), { status });

beforeEach(() => {
  vi.useFakeTimers();
  answers = { 'GET /api/cameras/4': json(STREAM), 'POST /api/cameras/4/pictures': json(TAKEN), 'GET /api/cameras/5': json({ ...STREAM, id: 5 }) };
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => answers[`${init.method} ${path}`]());
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function opened(): Promise<CameraLook> {
  const look = new CameraLook();
  look.open(4);
  await vi.advanceTimersByTimeAsync(0);
  return look;
}

describe('a look at a camera', () => {
  test('a picture is shown for its time and gone after it', async () => {
    const look = await opened();
    await look.look();
    expect(look.picture?.url).toBe('/api/pictures/a');
    expect(look.leftS).toBe(60);
    await vi.advanceTimersByTimeAsync(59_000);
    expect(look.picture).not.toBeNull();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(look.picture).toBeNull();
    look.close();
  });

  test('what comes after another camera was opened is not shown', async () => {
    const look = await opened();
    const asked = look.look();
    look.open(5);
    await asked;
    await vi.advanceTimersByTimeAsync(0);
    expect(look.picture).toBeNull();
    expect(look.stream?.id).toBe(5);
    look.close();
  });

  test('who may not look, and a camera without pictures, asks nothing', async () => {
    for (const told of [{ may_look: false }, { has_stream: false, made_up: false }]) {
      answers['GET /api/cameras/4'] = json({ ...STREAM, ...told });
      const look = await opened();
      expect(look.may).toBe(false);
      await look.look();
      expect(look.picture).toBeNull();
      look.close();
    }
  });

  test('a failed look takes the old picture away and says why', async () => {
    const look = await opened();
    await look.look();
    answers['POST /api/cameras/4/pictures'] = json({ title: 'Too Many', status: 429 }, 429);
    await look.look();
    expect(look.picture).toBeNull();
    expect(look.problem).toBe('lookTooMany');
    look.close();
  });

  test('a stream that is watched is asked again', async () => {
    const look = await opened();
    answers['GET /api/cameras/4'] = json({ ...STREAM, state: 'broken', reason: 'timeout' });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(look.stream?.state).toBe('broken');
    look.close();
  });
});

test('problems have words', () => {
  const of = (status: number) => problemOf(new ApiError({ title: '', status } as never));
  expect([of(429), of(403), of(404), of(503), problemOf(new Error('x'))]).toEqual(['lookTooMany', 'lookForbidden', 'lookForbidden', 'lookFailed', 'lookFailed']);
});
