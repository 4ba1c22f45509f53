/** Know the fence that the alarms of the group in sight are about, as its rule says it. */
import { get } from '../api/client.ts';
import type { Polygons, RuleRow } from '../api/rules_schema.ts';
import type { AlarmGroup } from '../api/schema.ts';
import { stateName, type StateName } from '../look/palette.ts';

export interface ShownFence {
  polygons: Polygons;
  state: StateName;
}

/** The border that a rule watches; null where it watches none. */
export function fenceOf(rule: Pick<RuleRow, 'condition'>): Polygons | null {
  const { type, polygons } = rule.condition;
  return type === 'fence' && Array.isArray(polygons) && polygons.length ? (polygons as Polygons) : null;
}

export class GroupFence {
  shown = $state.raw<ShownFence | null>(null);
  /** By rule and version: a version never changes. */
  private readonly known = new Map<string, Polygons | null>();
  private wanted = '';

  /** Show the fence of a group, or none. What cannot be read is tried again when the group is next told of. */
  async follow(group: Pick<AlarmGroup, 'rule' | 'state'> | undefined, lost = false): Promise<void> {
    const rule = group?.rule;
    const key = rule ? `${rule.id}:${rule.version}` : '';
    this.wanted = key;
    if (rule && !this.known.has(key)) {
      this.shown = null;
      try {
        const read = await get<RuleRow>(`/api/rules/${rule.id}`);
        // of another version its alarms are about to go
        this.known.set(`${read.id}:${read.version}`, fenceOf(read));
      } catch {
        return;
      }
    }
    if (this.wanted !== key) return;
    const polygons = this.known.get(key);
    this.shown = group && polygons ? { polygons, state: lost ? 'unknown' : stateName(group.state) } : null;
  }
}
