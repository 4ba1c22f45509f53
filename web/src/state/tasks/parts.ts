/** Say in which part of the list a case lies, by its stage: pure. */
export const PARTS = ['take', 'work', 'done'] as const;
export type Part = (typeof PARTS)[number];

const OF_STAGE: Record<string, Part> = { dispatched: 'take', handling: 'work', feedback: 'done', checking: 'done' };

/** Null: it is with somebody else, or nothing is to be done with it. */
export function partOf(stage: string): Part | null {
  return OF_STAGE[stage] ?? null;
}
