/** Know the way of one who could go to the open case, as the streets are now. */
import { get } from '../../api/client.ts';
import type { Candidate, Way } from '../../api/case_schema.ts';
import { keyOf } from './moves.ts';

type Path = [number, number][];

const NOWHERE: Path = [];

/** From where somebody is to where the case is: what is beside the road is walked straight. */
export function pathOf(way: Pick<Way, 'start' | 'goal' | 'line'>): Path {
  return [[way.start.lon, way.start.lat], ...way.line.coordinates, [way.goal.lon, way.goal.lat]];
}

export class HandlerWay {
  path = $state.raw<Path>(NOWHERE);
  private whose = '';
  /** Grows when what is on its way no longer counts. */
  private number = 0;

  /** Show the way of somebody to a case, or none. It is asked for again each time: they walk. */
  async follow(caseId: number | null, candidate: Candidate | null): Promise<void> {
    const number = (this.number += 1);
    const goes = caseId !== null && candidate?.tracker_id != null && candidate.way_s !== null;
    const whose = goes ? `${caseId}:${keyOf(candidate)}` : '';
    if (whose !== this.whose) this.path = NOWHERE;
    this.whose = whose;
    if (!goes) return;
    try {
      const way = await get<Way>(`/api/ways?from=worker/${candidate.worker_id}&to=case/${caseId}&profile=${candidate.profile}`);
      if (number === this.number) this.path = pathOf(way);
    } catch {
      // They went off duty, or off the streets, meanwhile: the list says so when it is read next.
      if (number === this.number) this.path = NOWHERE;
    }
  }
}
