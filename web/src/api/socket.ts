/** Keep one live socket open: ticket, hello, subscribe, resume, back off, notice gaps. */
import { parseFrame, type Frame } from './frames.ts';

export type Connection = 'connecting' | 'live' | 'waiting' | 'closed';

export interface Viewport {
  bbox: [number, number, number, number];
  zoom: number;
}

export interface Hello {
  protocol: number;
  epoch: number;
  tick: number;
  journal: number;
  room_resolution: number;
  point_zoom: number;
}

export interface Subscribed {
  mode: 'points' | 'cells';
  rooms: number;
  resolution: number;
  resumed: boolean;
  tick: number;
}

export interface JournalEvent {
  journal: number;
  at: string;
  kind: string;
  area_code: string | null;
  subject: string | null;
  data: Record<string, unknown>;
}

export interface LayerAge {
  newest_s: number | null;
  lag_s?: number | null;
  count: number;
  stale?: number;
  expected_s?: number | null;
  state: 'live' | 'late' | 'dead';
}

export interface Ages {
  at: string;
  layers: Record<string, LayerAge>;
  parts?: Record<string, string>;
}

export interface TilesChanged {
  layer: string;
  version: number;
  bbox: [number, number, number, number];
}

export interface LiveHandlers {
  connection?(state: Connection, detail: string): void;
  hello?(hello: Hello): void;
  subscribed?(answer: Subscribed): void;
  frame?(frame: Frame): void;
  event?(event: JournalEvent): void;
  gap?(journal: number): void;
  ages?(ages: Ages): void;
  tiles?(change: TilesChanged): void;
  error?(detail: string): void;
  /** The server ended the session that this socket was opened with. */
  signedOut?(): void;
  /** What the account may see has changed: nothing that is held counts any more. */
  rightsChanged?(): void;
}

/** The part of WebSocket that is used; tests bring their own. */
export interface Wire {
  binaryType: string;
  readyState: number;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  onerror: ((event: Event) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

export interface LiveOptions {
  url: string;
  layers: string[];
  /** Gives what opens one socket, once. */
  ticket: () => Promise<string>;
  open?: (url: string) => Wire;
  /** Uniform random number in [0, 1), for the jitter. */
  random?: () => number;
  baseDelayMs?: number;
  maxDelayMs?: number;
  /** With nothing heard for so long the socket is taken for dead (the server speaks each second). */
  silenceMs?: number;
}

const SUPPORTED_PROTOCOL = 1;
/** The server could not read what we asked: asking again at once will not help. */
const BAD_REQUEST = 4000;
/** The session is over: there is no ticket to be had. */
const SIGNED_OUT = 4401;
/** The account may see other things than before: come back with a new ticket. */
const RIGHTS_CHANGED = 4403;

export class LiveSocket {
  private wire: Wire | null = null;
  /** A ticket is being fetched, or a socket is there. */
  private busy = false;
  /** Grows with each try, so that a ticket that comes too late is known. */
  private trying = 0;
  private viewport: Viewport | null = null;
  /** Epoch of the server we talk to; null until its hello. */
  private epoch: number | null = null;
  /** What we hold: the epoch and tick of the last frame, and where it was looked at. */
  private held: { epoch: number; tick: number; viewport: Viewport } | null = null;
  private subscribed: Viewport | null = null;
  private asked: Viewport[] = [];
  private journal: number | null = null;
  /** The next frame is the first of a subscription: its ticks may jump. */
  private fresh = false;
  private attempt = 0;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private silenceTimer: ReturnType<typeof setTimeout> | undefined;
  private stopped = false;
  private badRequests = 0;
  /** Gaps seen since the page opened: shown by the performance panel. */
  gaps = 0;

  private readonly options: LiveOptions;
  private readonly handlers: LiveHandlers;

  constructor(options: LiveOptions, handlers: LiveHandlers) {
    this.options = options;
    this.handlers = handlers;
  }

  start(): void {
    this.stopped = false;
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.retryTimer);
    clearTimeout(this.silenceTimer);
    this.retryTimer = undefined;
    const wire = this.wire;
    this.wire = null;
    this.busy = false;
    this.trying += 1;
    if (wire) {
      wire.onopen = wire.onmessage = wire.onclose = wire.onerror = null;
      wire.close(1000);
    }
    this.handlers.connection?.('closed', '');
  }

  /** Look at another place. Sent at once when connected, else with the next hello. */
  look(viewport: Viewport): void {
    this.viewport = viewport;
    if (this.wire?.readyState === 1 && this.epoch !== null) this.subscribe();
  }

  /** Connect now rather than after the back-off (the network came back, the page is shown again). */
  hurry(): void {
    if (this.stopped || this.busy) return;
    clearTimeout(this.retryTimer);
    this.retryTimer = undefined;
    this.connect();
  }

  /** The network has changed under us: a socket that still looks open may be dead, so make a new one and resume. */
  suspect(): void {
    if (this.stopped) return;
    const wire = this.wire;
    if (wire) {
      this.lost(wire, 0, 'network');
      wire.close();
    } else this.busy = false; // the answer with the ticket may never come
    this.hurry();
  }

  private connect(): void {
    this.retryTimer = undefined;
    this.busy = true;
    const number = ++this.trying;
    this.handlers.connection?.('connecting', '');
    this.options.ticket().then(
      (ticket) => {
        if (!this.stopped && number === this.trying) this.open(ticket);
      },
      (problem: unknown) => {
        if (this.stopped || number !== this.trying) return;
        this.retry(problem instanceof Error ? problem.message : String(problem));
      },
    );
  }

  private open(ticket: string): void {
    const url = `${this.options.url}?ticket=${encodeURIComponent(ticket)}`;
    const wire = (this.options.open ?? ((at: string) => new WebSocket(at) as unknown as Wire))(url);
    wire.binaryType = 'arraybuffer';
    this.wire = wire;
    wire.onopen = () => this.listen();
    wire.onmessage = (message) => {
      this.listen();
      this.receive(message.data as string | ArrayBuffer);
    };
    wire.onerror = () => undefined;
    wire.onclose = (event) => this.lost(wire, event.code, event.reason);
    this.listen();
  }

  private listen(): void {
    clearTimeout(this.silenceTimer);
    // The server speaks each second. A page that was busy has messages waiting: they come in before it judges.
    this.silenceTimer = setTimeout(() => {
      this.silenceTimer = setTimeout(() => {
        const wire = this.wire;
        if (!wire) return;
        wire.onclose = null;
        wire.close();
        this.lost(wire, 0, 'silence');
      }, 500);
    }, this.options.silenceMs ?? 4_500);
  }

  private lost(wire: Wire, code: number, reason: string): void {
    if (this.wire !== wire) return;
    clearTimeout(this.silenceTimer);
    wire.onopen = wire.onmessage = wire.onclose = wire.onerror = null;
    this.wire = null;
    this.epoch = null;
    this.asked = [];
    this.fresh = false;
    if (this.stopped) return;
    if (code === BAD_REQUEST) this.badRequests += 1;
    if (code === SIGNED_OUT) {
      this.stop();
      this.handlers.signedOut?.();
      return;
    }
    if (code === RIGHTS_CHANGED) {
      // what was seen may be hidden now: the next answer is a snapshot, not what changed since
      this.held = null;
      this.handlers.rightsChanged?.();
    }
    this.retry(reason || String(code));
  }

  private retry(why: string): void {
    this.busy = false;
    this.handlers.connection?.('waiting', why);
    const delay = this.delayMs();
    this.attempt += 1;
    this.retryTimer = setTimeout(() => this.connect(), delay);
  }

  /** Exponential back-off with full jitter, so that a thousand walls do not come back at once. */
  private delayMs(): number {
    const base = this.options.baseDelayMs ?? 500;
    const ceiling = Math.min(this.options.maxDelayMs ?? 15_000, base * 2 ** Math.min(this.attempt, 12));
    const floor = this.badRequests > 0 ? (this.options.maxDelayMs ?? 15_000) / 2 : base / 2;
    return Math.max(floor, (this.options.random ?? Math.random)() * ceiling);
  }

  private subscribe(): void {
    if (!this.viewport || !this.wire) return;
    const { held, journal } = this;
    // epoch 0 is no server's: the answer is a snapshot, and the journal still goes on where we were
    const resume = journal === null ? undefined : held ? { epoch: held.epoch, tick: held.tick, journal, bbox: held.viewport.bbox, zoom: held.viewport.zoom } : { epoch: 0, tick: 0, journal };
    this.asked.push(this.viewport);
    this.wire.send(JSON.stringify({ op: 'subscribe', bbox: this.viewport.bbox, zoom: this.viewport.zoom, layers: this.options.layers, ...(resume ? { resume } : {}) }));
  }

  private receive(data: string | ArrayBuffer): void {
    if (typeof data !== 'string') {
      this.receiveFrame(data);
      return;
    }
    let message: Record<string, unknown>;
    try {
      message = JSON.parse(data) as Record<string, unknown>;
    } catch {
      this.handlers.error?.('unreadable message from the server');
      return;
    }
    switch (message.type) {
      case 'hello':
        this.greet(message as unknown as Hello);
        break;
      case 'subscribed': {
        const answer = message as unknown as Subscribed;
        this.subscribed = this.asked.shift() ?? this.viewport;
        this.fresh = true;
        this.badRequests = 0;
        if (!answer.resumed) this.held = null;
        this.handlers.subscribed?.(answer);
        break;
      }
      case 'event': {
        const event = message as unknown as JournalEvent;
        this.journal = Math.max(this.journal ?? 0, event.journal);
        this.handlers.event?.(event);
        break;
      }
      case 'gap':
        this.journal = message.journal as number;
        this.handlers.gap?.(this.journal);
        break;
      case 'ages':
        this.handlers.ages?.(message as unknown as Ages);
        break;
      case 'tiles':
        this.handlers.tiles?.(message as unknown as TilesChanged);
        break;
      case 'ping':
        this.wire?.send(JSON.stringify({ op: 'pong', t: message.t }));
        break;
      case 'error':
        this.asked.shift(); // a refused request gets no other answer
        this.handlers.error?.(String(message.detail ?? message.code));
        break;
      default:
        break; // a newer server may say more than we know
    }
  }

  private greet(hello: Hello): void {
    if (hello.protocol !== SUPPORTED_PROTOCOL) {
      this.handlers.error?.(`the server speaks protocol ${hello.protocol}, this page ${SUPPORTED_PROTOCOL}: reload the page`);
      return;
    }
    this.epoch = hello.epoch;
    this.journal ??= hello.journal;
    this.attempt = 0;
    this.handlers.connection?.('live', '');
    this.handlers.hello?.(hello);
    this.subscribe();
  }

  private receiveFrame(buffer: ArrayBuffer): void {
    let frame: Frame;
    try {
      frame = parseFrame(buffer);
    } catch (problem) {
      this.handlers.error?.(String(problem));
      this.held = null;
      this.refetch();
      return;
    }
    if (frame.epoch !== this.epoch || !this.subscribed) return;
    if (!this.fresh && this.held && frame.fromTick !== this.held.tick) {
      this.refetch();
      return;
    }
    this.fresh = false;
    this.held = { epoch: frame.epoch, tick: frame.tick, viewport: this.subscribed };
    this.handlers.frame?.(frame);
  }

  /** What we hold has a hole: ask again from the tick that was whole, once. */
  private refetch(): void {
    if (this.asked.length > 0) return;
    this.gaps += 1;
    this.subscribe();
  }

  /** For tests and the performance panel. */
  get position(): { epoch: number | null; tick: number | null; journal: number | null } {
    return { epoch: this.epoch, tick: this.held?.tick ?? null, journal: this.journal };
  }
}
