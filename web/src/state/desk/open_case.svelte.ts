/** Hold the case that is open at the desk: where it stands, what is known, who could go, and what is typed. */
import type { CaseStand, Evidence, MayRepeat, Surroundings } from '../../api/case_schema.ts';
import { Resource, type AnyResource } from '../resource.svelte.ts';
import { modelOf } from './model.ts';
import { conflictOf, keyOf, type Draft } from './moves.ts';

export class OpenCase {
  readonly id: number;
  readonly stand: Resource<CaseStand>;
  readonly evidence: Resource<Evidence>;
  readonly surroundings: Resource<Surroundings>;
  /** Cases that this one may repeat. */
  readonly repeats: Resource<{ candidates: MayRepeat[] }>;
  /** What is typed of an act; null while none is begun. */
  draft = $state.raw<Draft | null>(null);
  /** A note that is not recorded yet. */
  note = $state('');
  /** Who was chosen of those who could go; null: the first, whoever that is. */
  chosen = $state<string | null>(null);
  /** Whom the pointer is over of those who could go. */
  pointed = $state<string | null>(null);
  /** Which of the similar cases is looked at for how it was handled; null: the first that says. */
  like = $state<number | null>(null);
  expanded = $state(false);
  /** The time that its strip is looked at, ms since 1970; null: now. */
  lookedAt = $state<number | null>(null);
  /** The differences to what others did are listed. */
  differences = $state(false);
  busy = $state(false);
  /** Why the last act was refused. */
  refusal = $state('');

  constructor(id: number) {
    this.id = id;
    this.stand = new Resource<CaseStand>(`/api/cases/${id}`);
    this.evidence = new Resource<Evidence>(`/api/cases/${id}/evidence`);
    this.surroundings = new Resource<Surroundings>(`/api/cases/${id}/surroundings`);
    this.repeats = new Resource(`/api/cases/${id}/repeats`);
  }

  get resources(): AnyResource[] {
    return [this.stand, this.evidence, this.surroundings, this.repeats];
  }

  readonly conflict = $derived.by(() => (this.stand.value && this.draft ? conflictOf(this.stand.value, this.draft) : null));

  readonly handlers = $derived.by(() => this.surroundings.value?.handlers ?? []);

  /** Place of the chosen one in the list. The list is read again and again: the choice goes by who it is. */
  readonly candidate = $derived.by(() => Math.max(0, this.chosen === null ? 0 : this.handlers.findIndex((c) => keyOf(c) === this.chosen)));

  /** Whose way is shown: the one pointed at, else the chosen one. */
  readonly shown = $derived.by(() => this.handlers.find((c) => keyOf(c) === this.pointed) ?? this.handlers[this.candidate] ?? null);

  /** The similar case whose note may be taken over. */
  readonly model = $derived.by(() => modelOf(this.surroundings.value?.similar ?? [], this.like));

  /** Something is typed that would be lost. */
  get typed(): boolean {
    return !!this.note.trim() || !!this.draft;
  }
}
