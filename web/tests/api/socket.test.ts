import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LiveSocket, type LiveHandlers, type Wire } from '../../src/api/socket.ts';
import { ROOM_A, delta, frame, full } from '../bytes.ts';

class FakeWire implements Wire {
  binaryType = '';
  readyState = 1;
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  sent: Record<string, unknown>[] = [];
  closed = false;
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  send(data: string): void {
    this.sent.push(JSON.parse(data) as Record<string, unknown>);
  }

  close(): void {
    this.closed = true;
  }

  say(message: unknown): void {
    this.onmessage?.({ data: message instanceof ArrayBuffer ? message : JSON.stringify(message) } as MessageEvent);
  }

  drop(code = 1006): void {
    this.onclose?.({ code, reason: '' } as CloseEvent);
  }
}

/** Answers that are there already have been taken. */
const settled = () => vi.advanceTimersByTimeAsync(0);

const HELLO = { type: 'hello', protocol: 1, epoch: 5, tick: 100, journal: 40, room_resolution: 9, point_zoom: 14 };
const LOOK = { bbox: [104, 30, 105, 31] as [number, number, number, number], zoom: 16 };
const answer = (resumed: boolean, tick: number) => ({ type: 'subscribed', mode: 'points', rooms: 1, resolution: 9, resumed, tick });

describe('LiveSocket', () => {
  let wires: FakeWire[];
  let heard: unknown[][];
  let socket: LiveSocket;

  let tickets: number;
  let ticket: () => Promise<string>;

  beforeEach(async () => {
    vi.useFakeTimers();
    wires = [];
    tickets = 0;
    ticket = () => Promise.resolve(`t${++tickets}`);
    heard = [];
    const handlers = new Proxy({} as LiveHandlers, { get: (_t, name) => (...args: unknown[]) => heard.push([name, ...args]) });
    socket = new LiveSocket(
      { url: 'ws://x/live', layers: ['devices', 'workers'], random: () => 0.5, ticket: () => ticket(), open: (url) => (wires.push(new FakeWire(url)), wires.at(-1)!) },
      handlers,
    );
    socket.look(LOOK);
    socket.start();
    await settled();
  });

  afterEach(() => {
    socket.stop();
    vi.useRealTimers();
  });

  const frames = () => heard.filter((h) => h[0] === 'frame').length;
  const synchronised = () => {
    wires.at(-1)!.say(HELLO);
    wires.at(-1)!.say(answer(false, 100));
    wires.at(-1)!.say(frame(5, 0, 100, [full(1, ROOM_A, 0, [{ id: 1, lon: 104, lat: 30 }])]));
  };

  it('subscribes after hello with viewport, zoom and layers', () => {
    expect(wires[0].sent).toEqual([]);
    wires[0].say(HELLO);
    expect(wires[0].sent[0]).toMatchObject({ op: 'subscribe', bbox: LOOK.bbox, zoom: 16, layers: ['devices', 'workers'] });
  });

  it('accepts consecutive frames and answers pings', () => {
    synchronised();
    wires[0].say(frame(5, 100, 101, [delta(ROOM_A, 0, [{ id: 1, value: 2, state: 3 }])]));
    wires[0].say({ type: 'ping', t: 12.5 });
    expect(frames()).toBe(2);
    expect(wires[0].sent.at(-1)).toEqual({ op: 'pong', t: 12.5 });
  });

  it('notices a gap, does not apply the frame and asks again from the last whole tick', () => {
    synchronised();
    wires[0].say({ type: 'event', journal: 44, at: '', kind: 'alarm.raised', area_code: null, subject: null, data: {} });
    wires[0].say(frame(5, 102, 103, []));
    expect(frames()).toBe(1);
    expect(wires[0].sent.at(-1)).toMatchObject({ op: 'subscribe', resume: { epoch: 5, tick: 100, journal: 44 } });
    wires[0].say(frame(5, 103, 104, []));
    expect(wires[0].sent.filter((m) => m.op === 'subscribe')).toHaveLength(2);
    wires[0].say(answer(true, 104));
    wires[0].say(frame(5, 100, 104, []));
    wires[0].say(frame(5, 104, 105, []));
    expect(frames()).toBe(3);
    expect(socket.gaps).toBe(1);
  });

  it('resumes after the connection was lost, with epoch, tick and journal', async () => {
    synchronised();
    wires[0].drop();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(wires.length).toBeGreaterThan(1);
    wires.at(-1)!.say({ ...HELLO, tick: 200, journal: 50 });
    expect(wires.at(-1)!.sent[0]).toMatchObject({ resume: { epoch: 5, tick: 100, journal: 40 } });
  });

  it('says what it holds and where when it looks elsewhere, so that only the rest need come', () => {
    synchronised();
    socket.look({ ...LOOK, zoom: 15 });
    expect(wires[0].sent.at(-1)).toMatchObject({ zoom: 15, resume: { epoch: 5, tick: 100, journal: 40, bbox: LOOK.bbox, zoom: 16 } });
  });

  it('ignores frames of another epoch and of no subscription', () => {
    wires[0].say(HELLO);
    wires[0].say(frame(5, 0, 100, []));
    expect(frames()).toBe(0);
    wires[0].say(answer(false, 100));
    wires[0].say(frame(4, 0, 100, []));
    expect(frames()).toBe(0);
  });

  it('asks for a snapshot after an unreadable frame', () => {
    synchronised();
    wires[0].say(new ArrayBuffer(30));
    expect(wires[0].sent.at(-1)).toMatchObject({ resume: { epoch: 0, tick: 0, journal: 40 } });
    expect(heard.some((h) => h[0] === 'error')).toBe(true);
  });

  it('backs off exponentially up to a ceiling and starts afresh after a hello', async () => {
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      const before = wires.length;
      wires.at(-1)!.drop();
      let waited = 0;
      while (wires.length === before) {
        await vi.advanceTimersByTimeAsync(50);
        waited += 50;
      }
      waits.push(waited);
    }
    expect(waits[0]).toBe(250);
    expect(waits[2]).toBe(1000);
    expect(Math.max(...waits)).toBe(7500);
    wires.at(-1)!.say(HELLO);
    wires.at(-1)!.drop();
    const before = wires.length;
    await vi.advanceTimersByTimeAsync(300);
    expect(wires.length).toBe(before + 1);
  });

  it('takes a silent socket for dead', async () => {
    synchronised();
    await vi.advanceTimersByTimeAsync(4_000);
    expect(wires[0].closed).toBeFalsy();
    await vi.advanceTimersByTimeAsync(1_001);
    expect(wires[0].closed).toBe(true);
    expect(heard.some((h) => h[0] === 'connection' && h[1] === 'waiting')).toBe(true);
  });

  it('makes a new socket at once when the network changed, and resumes', async () => {
    synchronised();
    socket.suspect();
    await settled();
    expect(wires).toHaveLength(2);
    expect(wires[0].closed).toBe(true);
    expect(heard.filter((h) => h[0] === 'connection').map((h) => h[1]).slice(-2)).toEqual(['waiting', 'connecting']);
    wires[1].say(HELLO);
    expect(wires[1].sent[0]).toMatchObject({ resume: { epoch: 5, tick: 100, journal: 40 } });
  });

  it('goes on from the journal number of a gap', () => {
    synchronised();
    wires[0].say({ type: 'gap', journal: 900 });
    expect(socket.position.journal).toBe(900);
    expect(heard.some((h) => h[0] === 'gap' && h[1] === 900)).toBe(true);
  });

  it('refuses a protocol it does not speak', () => {
    wires[0].say({ ...HELLO, protocol: 2 });
    expect(wires[0].sent).toEqual([]);
    expect(heard.at(-1)![0]).toBe('error');
  });

  it('fetches a ticket before each socket', async () => {
    synchronised();
    expect(wires[0].url).toBe('ws://x/live?ticket=t1');
    wires[0].drop(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(wires.map((wire) => wire.url)).toEqual(['ws://x/live?ticket=t1', 'ws://x/live?ticket=t2']);
  });

  it('comes back for a snapshot with a new ticket when the rights changed', async () => {
    synchronised();
    wires[0].drop(4403);
    expect(heard.filter((h) => h[0] === 'rightsChanged')).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(wires[1].url).toContain('t2');
    wires[1].say(HELLO);
    // epoch 0 is no server's: nothing that was held is gone on from
    expect(wires[1].sent[0]).toMatchObject({ resume: { epoch: 0, tick: 0, journal: 40 } });
  });

  it('asks for nothing more when its session is over, and says so', async () => {
    synchronised();
    wires[0].drop(4401);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(heard.filter((h) => h[0] === 'signedOut')).toHaveLength(1);
    expect(tickets).toBe(1);
    expect(wires).toHaveLength(1);
  });

  it('backs off when no ticket can be had, and opens one socket only', async () => {
    synchronised();
    let fail: (problem: unknown) => void = () => undefined;
    ticket = () => new Promise((_done, refuse) => (fail = refuse));
    wires[0].drop();
    await vi.advanceTimersByTimeAsync(1_000);
    socket.hurry(); // a ticket is on its way: no second one is asked for
    fail(new TypeError('Failed to fetch'));
    ticket = () => Promise.resolve('new');
    await vi.advanceTimersByTimeAsync(5_000);
    expect(wires).toHaveLength(2);
  });

  it('does not use a ticket that came after the network changed or the page stopped', async () => {
    synchronised();
    const give: ((ticket: string) => void)[] = [];
    ticket = () => new Promise((done) => give.push(done));
    wires[0].drop();
    await vi.advanceTimersByTimeAsync(1_000);
    socket.suspect();
    await settled();
    give[0]('old');
    give[1]('fresh');
    await settled();
    expect(wires.slice(1).map((wire) => wire.url)).toEqual(['ws://x/live?ticket=fresh']);
    wires[1].drop();
    await vi.advanceTimersByTimeAsync(1_000);
    socket.stop();
    give[2]('late');
    await settled();
    expect(wires).toHaveLength(2);
  });
});
