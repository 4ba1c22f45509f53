/** Say which of several cases the others repeat, and link them to it one after the other: pure. */
import { ApiError } from '../../api/client.ts';
import type { CaseEvent, CaseStand, QueueRow } from '../../api/case_schema.ts';

/** A case as the operator sees it when it is to be made one with others. */
export type Marked = Pick<QueueRow, 'id' | 'number' | 'title' | 'version' | 'repeats'>;

export function markedOf({ id, number, title, version, repeats }: QueueRow | CaseStand): Marked {
  return { id, number, title, version, repeats };
}

/** By number, the lowest first. */
export function inOrder(cases: readonly Marked[]): Marked[] {
  return [...cases].sort((a, b) => a.number.localeCompare(b.number, 'en', { numeric: true }) || a.id - b.id);
}

/** The case that stays: the lowest number; but one that others repeat already cannot repeat another. */
export function staying(cases: readonly Marked[]): Marked | undefined {
  const sorted = inOrder(cases);
  return sorted.find((one) => one.repeats > 0) ?? sorted[0];
}

/** Why a case could not be linked. */
export interface Refusal {
  said: string;
  /** Who did what with it meanwhile, where that is why. */
  since: Pick<CaseEvent, 'actor' | 'zh' | 'en'>[];
  /** The version it then has. */
  version: number | null;
}

export function refusalOf(problem: unknown): Refusal {
  const said = problem instanceof Error ? problem.message : String(problem);
  if (!(problem instanceof ApiError) || problem.status !== 409) return { said, since: [], version: null };
  const { version, events } = problem.problem;
  return { said, since: Array.isArray(events) ? (events as CaseEvent[]) : [], version: typeof version === 'number' ? version : null };
}

/** Link all but one to that one; what is refused keeps none of the others from it. */
export async function linkEach(cases: readonly Marked[], main: number, link: (one: Marked) => Promise<unknown>): Promise<{ linked: Marked[]; refused: Map<number, Refusal> }> {
  const linked: Marked[] = [];
  const refused = new Map<number, Refusal>();
  for (const one of inOrder(cases)) {
    if (one.id === main) continue;
    try {
      await link(one);
      linked.push(one);
    } catch (problem) {
      refused.set(one.id, refusalOf(problem));
    }
  }
  return { linked, refused };
}
