/** Take over how a similar case was handled, as text to edit: pure. */
import type { Surroundings } from '../../api/case_schema.ts';

type Similar = Surroundings['similar'][number];

/** So many similar cases are listed. */
export const MOST_SIMILAR = 3;
/** A note is no longer than this. */
export const LONGEST_NOTE = 2000;

/** The case whose note may be taken over: the chosen one, else the first of those listed that has one. */
export function modelOf(similar: readonly Similar[], chosen: number | null): Similar | undefined {
  const told = similar.slice(0, MOST_SIMILAR).filter((one) => one.note?.trim());
  return told.find((one) => one.id === chosen) ?? told[0];
}

/** What is typed with the note of that case behind it; nothing typed is lost, nothing is put there twice. */
export function withNote(typed: string, note: string): string {
  const added = note.trim();
  if (typed.includes(added)) return typed;
  const both = typed.trim() ? `${typed.trimEnd()} ${added}` : added;
  return both.length > LONGEST_NOTE ? typed : both;
}
