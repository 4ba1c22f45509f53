/** Report a case as done, with photographs of after the work: what is typed and taken stays until the server has it. */
import { post } from '../../api/client.ts';

/** A photograph that was taken, under the number by which it is sent: sent again, it is added once. */
export interface Taken {
  clientId: string;
  file: Blob;
  takenAt: string | null;
  sent: boolean;
}

/** A file written so lately was taken just now; of an older one only what it says itself is known. */
const JUST_NOW_MS = 5 * 60_000;
/** A phone in the street may need so long for a photograph. */
const UPLOAD_MS = 120_000;

/** When a file that was just written was taken, by the server's clock. */
export function takenAt(writtenMs: number, nowMs: number, aheadMs: number): string | null {
  const ageMs = nowMs - writtenMs;
  return ageMs >= 0 && ageMs <= JUST_NOW_MS ? new Date(writtenMs + aheadMs).toISOString() : null;
}

export class Finish {
  readonly caseId: number;
  photographs = $state.raw<Taken[]>([]);
  note = $state('');
  /** Why there is no photograph. */
  reason = $state('');
  busy = $state(false);
  /** How many photographs are still to be sent; null while none are being sent. */
  left = $state<number | null>(null);
  refusal = $state('');

  constructor(caseId: number, note: string) {
    this.caseId = caseId;
    this.note = note;
  }

  get ready(): boolean {
    return !this.busy && !!this.note.trim();
  }

  add(files: Iterable<File>, aheadMs: number): void {
    this.refusal = '';
    const now = Date.now();
    this.photographs = [...this.photographs, ...[...files].map((file) => ({ clientId: crypto.randomUUID(), file, takenAt: takenAt(file.lastModified, now, aheadMs), sent: false }))];
  }

  /** Take one back; what was sent already stays with the case. */
  remove(clientId: string): void {
    this.photographs = this.photographs.filter((one) => one.clientId !== clientId || one.sent);
  }

  /** Send what was not sent yet, then report the case as done on the version that was seen. */
  async send(version: number): Promise<void> {
    this.busy = true;
    this.refusal = '';
    try {
      for (const one of this.photographs.filter((taken) => !taken.sent)) {
        this.left = this.photographs.filter((taken) => !taken.sent).length;
        const query = new URLSearchParams({ moment: 'after', client_id: one.clientId, ...(one.takenAt ? { taken_at: one.takenAt } : {}) });
        await post(`/api/cases/${this.caseId}/photographs?${query}`, one.file, { timeoutMs: UPLOAD_MS });
        this.photographs = this.photographs.map((taken) => (taken === one ? { ...one, sent: true } : taken));
      }
      this.left = null;
      const reason = this.photographs.length ? '' : this.reason.trim();
      await post(`/api/cases/${this.caseId}/acts`, { move: 'report_done', version, note: this.note.trim(), ...(reason ? { reason } : {}) });
    } finally {
      this.left = null;
      this.busy = false;
    }
  }
}
