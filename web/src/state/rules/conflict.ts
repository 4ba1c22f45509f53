/** Bring together what I changed in a rule and what somebody else changed meanwhile. Pure. */
import type { RuleContent } from '../../api/rules_schema.ts';
import { canonical } from './form.ts';

export const PARTS = ['zh', 'en', 'state', 'area', 'kinds', 'property', 'condition', 'category_code'] as const;
export type Part = (typeof PARTS)[number];

export interface Difference {
  part: Part;
  theirs: boolean;
  mine: boolean;
}

/** Which parts were changed since the version that both began with, and by whom. */
export function differences(base: RuleContent, mine: RuleContent, theirs: RuleContent): Difference[] {
  const changed = (one: RuleContent, part: Part) => canonical(one[part]) !== canonical(base[part]);
  return PARTS.map((part) => ({ part, theirs: changed(theirs, part), mine: changed(mine, part) })).filter((d) => d.theirs || d.mine);
}

/** Theirs with my changes on it; where both changed the same part, mine stands: I am told before. */
export function merged(base: RuleContent, mine: RuleContent, theirs: RuleContent): RuleContent {
  const own = Object.fromEntries(differences(base, mine, theirs).flatMap((d) => (d.mine ? [[d.part, mine[d.part]]] : [])));
  return { ...theirs, ...own };
}

/** The parts that both changed, each to something else. */
export function clashes(base: RuleContent, mine: RuleContent, theirs: RuleContent): Part[] {
  return differences(base, mine, theirs)
    .filter((d) => d.theirs && d.mine && canonical(mine[d.part]) !== canonical(theirs[d.part]))
    .map((d) => d.part);
}
