import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../../src/api/client.ts';
import { Idle, isAct } from '../../src/state/idle.svelte.ts';

/** A server with one session of half an hour, and a clock that is turned by hand. */
class Server {
  now = 1000;
  idleAt = this.now + 1800;
  endsAt = this.now + 12 * 3600;
  asked = 0;
  told: number[] = [];

  remaining = () => ({ ends_s: this.endsAt - this.now, idle_s: this.idleAt - this.now, idle_after_s: 1800 });
}

describe('a session that nobody uses', () => {
  let server: Server;
  let idle: Idle;

  beforeEach(() => {
    server = new Server();
    vi.stubGlobal('fetch', vi.fn(() => {
      server.told.push(server.now);
      server.idleAt = server.now + 1800;
      return Promise.resolve(new Response(JSON.stringify(server.remaining())));
    }));
    idle = new Idle(
      () => {
        server.asked += 1;
        if (server.now >= Math.min(server.idleAt, server.endsAt)) return Promise.reject(new ApiError({ title: '', status: 401 }));
        idle.know(server.remaining());
        return Promise.resolve();
      },
      () => server.now,
    );
    idle.know(server.remaining());
  });
  afterEach(() => vi.unstubAllGlobals());

  async function pass(seconds: number, each: () => void = () => undefined): Promise<void> {
    for (let i = 0; i < seconds; i++) {
      server.now += 1;
      each();
      await idle.tick();
    }
  }

  it('says nothing and asks nothing until two minutes before its end, then counts down', async () => {
    await pass(1679);
    expect([idle.leftS, server.asked, server.told.length]).toEqual([null, 0, 0]);
    await pass(2);
    expect(idle.leftS).toBe(119);
    expect(idle.canStay).toBe(true);
    await pass(60);
    expect(idle.leftS).toBe(59);
    expect(server.asked).toBeLessThanOrEqual(13);
    expect(server.told).toEqual([]);
  });

  it('speaks at once of an end that is near when the page is opened', () => {
    server.idleAt = server.now + 50;
    idle.know(server.remaining());
    expect(idle.leftS).toBe(50);
  });

  it('ends without a further question once the server said so', async () => {
    await pass(1805);
    const { asked } = server;
    await pass(300);
    expect(server.asked).toBe(asked);
    expect(idle.leftS).toBeNull();
  });

  it('tells of what is done at most once a minute, and leaves nothing of the last minute untold', async () => {
    await pass(600, () => idle.acted());
    expect(server.told.length).toBeGreaterThanOrEqual(10);
    expect(server.told.length).toBeLessThanOrEqual(11);
    const last = server.now;
    await pass(120);
    expect(server.told.at(-1)! - last).toBeLessThanOrEqual(60);
    expect(server.told.at(-1)!).toBeGreaterThanOrEqual(last);
    const { length } = server.told;
    await pass(600);
    expect(server.told).toHaveLength(length);
  });

  it('is kept by an act while the notice is shown, and by its button', async () => {
    await pass(1700);
    idle.acted();
    await pass(1);
    expect(idle.leftS).toBeNull();
    await pass(1700);
    expect(idle.leftS).not.toBeNull();
    await idle.stay();
    expect(idle.leftS).toBeNull();
  });

  it('shows no notice where another page kept the session', async () => {
    await pass(1000);
    server.idleAt = server.now + 1800;
    const seen: (number | null)[] = [];
    await pass(1000, () => seen.push(idle.leftS));
    expect(new Set(seen)).toEqual(new Set([null]));
  });

  it('does not promise that an act helps at the end of the longest life', async () => {
    server.endsAt = server.now + 300;
    idle.know(server.remaining());
    await pass(200);
    expect(idle.leftS).toBe(100);
    expect(idle.canStay).toBe(false);
  });

  it('lets screens be', async () => {
    idle.know({ ends_s: 60, idle_s: null, idle_after_s: 1800 });
    idle.acted();
    await pass(50);
    expect([idle.leftS, server.asked, server.told.length]).toEqual([null, 0, 0]);
  });
});

describe('what counts as an act', () => {
  const move = (screenX: number, isTrusted = true) => ({ type: 'pointermove', isTrusted, screenX, screenY: 5 });

  it('is a pointer that moved, not a page that moved under it', () => {
    const last = { x: NaN, y: NaN };
    expect(isAct(move(10), last)).toBe(false);
    expect(isAct(move(10), last)).toBe(false);
    expect(isAct(move(11), last)).toBe(true);
  });

  it('is a key or a press of a person, not one that a script made', () => {
    const last = { x: NaN, y: NaN };
    expect(isAct({ type: 'keydown', isTrusted: true }, last)).toBe(true);
    expect(isAct({ type: 'pointerdown', isTrusted: false }, last)).toBe(false);
    expect(isAct(move(3, false), last)).toBe(false);
  });
});
