/** Hold the live board of a page and how its connection does: nothing is shown as live that is not. */
import { LiveSocket, type Ages, type Connection, type JournalEvent, type TilesChanged, type Viewport } from '../api/socket.ts';
import { LiveBoard, type Commit } from './live.ts';
import { freshness, LOST_AFTER_S, type LayerFreshness } from './staleness.ts';

/** What a page does about what the live socket tells, besides showing it. */
export interface FeedHandlers {
  ticket(): Promise<string>;
  signedOut(): void;
  rightsChanged(): void;
  event(event: JournalEvent): void;
  /** Events may have been missed: what they would have changed is to be read anew. */
  missed(): void;
  error(detail: string): void;
}

const COUNT_EVERY_MS = 500;

export class LiveFeed {
  connection = $state<Connection>('connecting');
  connectionDetail = $state('');
  ages = $state.raw<Ages | null>(null);
  private agesAt = $state(0);
  private lostAt = $state<number | null>(Date.now());
  /** Milliseconds since 1970 by the server's clock; ticks each second. */
  now = $state(Date.now());
  mode = $state<'points' | 'cells'>('points');
  /** Devices in view by state code; grows with each commit, read at most twice a second. */
  counts = $state.raw<number[]>([0, 0, 0, 0, 0, 0]);

  readonly board: LiveBoard;
  private socket: LiveSocket | null = null;
  private countsDue = false;
  /** Set by the page: what its map does with a commit and with changed tiles. */
  onCommit: (change: Commit) => void = () => undefined;
  onTiles: (change: TilesChanged) => void = () => undefined;

  constructor() {
    this.board = new LiveBoard(
      (change) => this.commit(change),
      (run) => (document.hidden ? setTimeout(run, 250) : requestAnimationFrame(run)),
    );
  }

  protected connect(path: string, handlers: FeedHandlers): void {
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    this.socket = new LiveSocket(
      { url: `${scheme}//${location.host}${path}`, layers: ['devices', 'workers'], ticket: handlers.ticket },
      {
        signedOut: handlers.signedOut,
        rightsChanged: handlers.rightsChanged,
        connection: (state, detail) => {
          this.connection = state;
          this.connectionDetail = detail;
          if (state === 'live') {
            if (this.lostAt !== null) handlers.missed();
            this.lostAt = null;
          } else this.lostAt ??= Date.now();
        },
        subscribed: (answer) => {
          this.mode = answer.mode;
          this.board.subscribed(answer.mode, answer.resumed);
        },
        frame: (frame) => this.board.frame(frame),
        ages: (ages) => {
          this.ages = ages;
          this.agesAt = Date.now();
        },
        event: handlers.event,
        gap: handlers.missed,
        tiles: (change) => this.onTiles(change),
        error: handlers.error,
      },
    );
    this.socket.start();
    window.addEventListener('online', this.hurry);
    window.addEventListener('offline', this.suspect);
    document.addEventListener('visibilitychange', this.hurry);
  }

  protected disconnect(): void {
    window.removeEventListener('online', this.hurry);
    window.removeEventListener('offline', this.suspect);
    document.removeEventListener('visibilitychange', this.hurry);
    this.socket?.stop();
  }

  private readonly hurry = (): void => {
    if (!document.hidden) this.socket?.hurry();
  };

  private readonly suspect = (): void => this.socket?.suspect();

  get lostS(): number {
    void this.now;
    return this.lostAt === null ? 0 : (Date.now() - this.lostAt) / 1000;
  }

  /** The connection has been lost for so long that nothing on screen may look live. */
  get lost(): boolean {
    return this.lostS > LOST_AFTER_S;
  }

  layer(name: string): LayerFreshness {
    void this.now;
    return freshness(this.ages?.layers[name], this.connection, this.agesAt ? (Date.now() - this.agesAt) / 1000 : 0, this.lostS);
  }

  /** A time of this machine by the server's clock, ms since 1970. */
  serverMs(localMs: number): number {
    return localMs + this.board.clockOffsetS * 1000;
  }

  look(viewport: Viewport): void {
    this.socket?.look(viewport);
  }

  socketGaps(): number {
    return this.socket?.gaps ?? 0;
  }

  socketPosition(): { epoch: number | null; tick: number | null; journal: number | null } {
    return this.socket?.position ?? { epoch: null, tick: null, journal: null };
  }

  private commit(change: Commit): void {
    this.onCommit(change);
    if (!this.countsDue) {
      this.countsDue = true;
      setTimeout(() => {
        this.countsDue = false;
        this.counts = [...this.board.devices.counts];
        this.counted();
      }, COUNT_EVERY_MS);
    }
  }

  /** The board has changed, and was counted anew. */
  protected counted(): void {}
}
