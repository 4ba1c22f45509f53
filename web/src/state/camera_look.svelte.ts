/** Look at a camera: how its stream does, one picture at a time, gone when its time is over. */
import { ApiError, get, post } from '../api/client.ts';
import type { CameraPicture, CameraStream } from '../api/pictures_schema.ts';

/** How often a camera that is open is asked how its stream does, ms. */
const WATCH_MS = 5_000;

export type LookProblem = 'lookTooMany' | 'lookForbidden' | 'lookFailed';

export class CameraLook {
  /** Null until the server told, or where no camera is open. */
  stream = $state.raw<CameraStream | null>(null);
  picture = $state.raw<CameraPicture | null>(null);
  busy = $state(false);
  problem = $state<LookProblem | null>(null);
  /** Seconds until the picture is gone. */
  leftS = $state(0);
  private camera: number | null = null;
  private watch: ReturnType<typeof setInterval> | undefined;
  private count: ReturnType<typeof setInterval> | undefined;
  /** Grows when another camera is opened: an answer that comes later is not for it. */
  private turn = 0;

  open(camera: number): void {
    this.close();
    this.camera = camera;
    void this.ask();
    this.watch = setInterval(() => void this.ask(), WATCH_MS);
  }

  close(): void {
    this.turn += 1;
    this.camera = null;
    clearInterval(this.watch);
    this.hide();
    this.stream = null;
    this.problem = null;
    this.busy = false;
  }

  get may(): boolean {
    return this.camera !== null && !!this.stream?.may_look && (this.stream.has_stream || this.stream.made_up);
  }

  /** Take a picture now. */
  async look(): Promise<void> {
    if (!this.may || this.busy) return;
    const { turn, camera } = this;
    this.busy = true;
    this.problem = null;
    try {
      const taken = await post<CameraPicture>(`/api/cameras/${camera}/pictures`);
      if (turn === this.turn) this.show(taken);
    } catch (failed) {
      if (turn === this.turn) {
        this.hide();
        this.problem = problemOf(failed);
      }
    }
    if (turn !== this.turn) return;
    this.busy = false;
    void this.ask();
  }

  hide(): void {
    clearInterval(this.count);
    this.picture = null;
    this.leftS = 0;
  }

  private async ask(): Promise<void> {
    const { turn, camera } = this;
    try {
      const told = await get<CameraStream>(`/api/cameras/${camera}`);
      if (turn === this.turn) this.stream = told;
    } catch {
      // what it was told last stands; that the server is away is said elsewhere
    }
  }

  private show(taken: CameraPicture): void {
    this.picture = taken;
    // by the length of its time and not by two clocks that may differ
    const until = Date.now() + Date.parse(taken.until) - Date.parse(taken.taken_at);
    const count = (): void => {
      this.leftS = Math.max(0, Math.ceil((until - Date.now()) / 1000));
      if (!this.leftS) this.hide();
    };
    clearInterval(this.count);
    this.count = setInterval(count, 1000);
    count();
  }
}

/** What went wrong, in words of ours; of a broken stream the state of the stream says why. */
export function problemOf(failed: unknown): LookProblem {
  if (failed instanceof ApiError && failed.status === 429) return 'lookTooMany';
  if (failed instanceof ApiError && (failed.status === 403 || failed.status === 404)) return 'lookForbidden';
  return 'lookFailed';
}
