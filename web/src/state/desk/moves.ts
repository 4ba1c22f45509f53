/** Say which key does which move, and what it asks to be told: pure. */
import type { Candidate, CaseStand, Move, Told } from '../../api/case_schema.ts';
import type { Names } from '../../api/schema.ts';

/** Moves of one key, the first that may be done now counts. */
const KEYED: [string, string[]][] = [
  ['a', ['grant', 'file', 'take', 'report_done', 'send_check', 'pass', 'resume', 'rate', 'review']],
  ['d', ['dispatch']],
  ['l', ['call_up']],
  ['t', ['transfer']],
  ['u', ['supervise', 'release']],
  ['r', ['refuse', 'return', 'fail', 'reject', 'reopen']],
];

export interface KeyedMove {
  key: string | null;
  move: Move;
}

/** What may be done now: with keys, the most likely first; then what only the menu has. A note has its own box. */
export function arranged(moves: Move[]): { keyed: KeyedMove[]; others: Move[] } {
  const keyed: KeyedMove[] = [];
  for (const [key, names] of KEYED) {
    const move = names.map((name) => moves.find((m) => m.name === name)).find(Boolean);
    if (move) keyed.push({ key, move });
  }
  const taken = new Set(keyed.map(({ move }) => move.name).concat('note'));
  return { keyed, others: moves.filter((m) => !taken.has(m.name)) };
}

export function moveOfKey(moves: Move[], key: string): Move | undefined {
  return arranged(moves).keyed.find((k) => k.key === key)?.move;
}

/** What somebody has typed of an act, with the version of the case they saw when they began. */
export interface Draft {
  move: string;
  version: number;
  told: Told;
  /** The move as it was offered: what was typed for it stays readable when it is offered no more. */
  of?: Move;
  /** Name of whoever is to handle it: they may leave the list of those who could. */
  to?: Names;
  /** What the server asks for beside what the move needs: why another is sent than who suits best. */
  also?: Field[];
}

export type Field = 'reason' | 'note' | 'handler' | 'until' | 'rating' | 'correction' | 'linked_to';

/** The fields a form of a move has, in their order. */
export function fieldsOf(move: Move, also: Field[] = []): Field[] {
  const order: Field[] = ['handler', 'correction', 'linked_to', 'rating', 'until', 'reason', 'note'];
  return order.filter((field) => move.needs.includes(field) || also.includes(field));
}

/** What is still missing of what must be told; empty when it can be sent. */
export function missing(move: Move, told: Told): Field[] {
  const has: Record<Field, boolean> = {
    reason: !!told.reason?.trim(),
    note: !!told.note?.trim(),
    handler: told.worker_id != null || told.organisation_id != null,
    until: !!told.until,
    rating: told.rating != null,
    correction: !!told.category_code || told.priority != null,
    linked_to: told.linked_to != null,
  };
  return fieldsOf(move).filter((field) => !has[field]);
}

/** Who was seen to be taken up is asked afterwards; who was seen to be free and is not any more is refused. */
export function handlerOf(candidate: Candidate): Pick<Told, 'worker_id' | 'organisation_id' | 'behind'> {
  return candidate.worker_id != null ? { worker_id: candidate.worker_id, behind: candidate.busy } : { organisation_id: candidate.organisation_id ?? undefined };
}

/** Who is meant, whatever place they have in a list that is read again and again. */
export function keyOf(candidate: Candidate): string {
  return candidate.worker_id != null ? `w${candidate.worker_id}` : `o${candidate.organisation_id}`;
}

/** Columns of a case that people speak of; the others follow from these. */
const SPOKEN = ['stage', 'outcome', 'category_code', 'priority', 'worker_id', 'organisation_id', 'parked_at', 'supervised_by', 'asked', 'linked_to', 'called_up', 'rating', 'review_since', 'due_at', 'reworks'] as const;
export type Spoken = (typeof SPOKEN)[number];

/** What a move changes of a case, by what is told with it. */
export function touched(draft: Draft): Spoken[] {
  const { move, told } = draft;
  switch (move) {
    case 'note':
      return [];
    case 'correct':
      return [...(told.category_code ? (['category_code'] as const) : []), ...(told.priority != null ? (['priority'] as const) : [])];
    case 'dispatch':
    case 'transfer':
      return ['stage', 'worker_id', 'organisation_id'];
    case 'supervise':
    case 'release':
      return ['supervised_by'];
    case 'call_up':
      return ['called_up'];
    case 'link':
    case 'unlink':
      return ['linked_to'];
    case 'rate':
      return ['rating'];
    case 'review':
      return ['review_since'];
    case 'reopen':
      return ['stage', 'outcome', 'rating', 'review_since'];
    case 'extend':
      return ['due_at', 'asked'];
    case 'park':
    case 'resume':
      return ['parked_at', 'asked'];
    case 'grant':
    case 'refuse':
      return ['asked'];
    case 'void':
    case 'reject':
    case 'return':
      return ['stage', 'outcome', 'asked'];
    default:
      return ['stage', 'outcome'];
  }
}

export interface Change {
  field: Spoken;
  to: unknown;
  by: string;
  version: number;
}

/** What others changed of a case since a version, of what people speak of; the oldest first. */
export function changedSince(stand: Pick<CaseStand, 'events'>, version: number): Change[] {
  return [...stand.events]
    .reverse()
    .filter((e) => e.version !== null && e.version > version)
    .flatMap((e) => SPOKEN.filter((field) => field in e.changes && !(field === 'due_at' && 'priority' in e.changes)).map((field) => ({ field, to: e.changes[field], by: e.actor, version: e.version! })));
}

export interface Conflict {
  changes: Change[];
  /** What both touch. */
  both: Spoken[];
  /** What I want may still be done, and touches nothing that others changed. */
  mergeable: boolean;
}

/** How a draft stands to what others did meanwhile; null where nothing was done that people speak of. */
export function conflictOf(stand: CaseStand, draft: Draft): Conflict | null {
  if (stand.version <= draft.version) return null;
  const changes = changedSince(stand, draft.version);
  const mine = touched(draft);
  const both = [...new Set(changes.map((c) => c.field).filter((field) => mine.includes(field)))];
  const may = stand.moves.some((m) => m.name === draft.move);
  // clocks that warned, deadlines that were counted anew: nothing a person has to decide about
  if (!changes.length && may) return null;
  return { changes, both, mergeable: may && !both.length };
}
