/** Hold the mappings of foreign platforms: list them, edit one in a form, try it on a message, keep its versions. */
import { ApiError, get, post, put } from '../api/client.ts';
import type { Catalog } from '../api/schema.ts';
import type { MappingDetail, MappingRow, MessageFields, RefusedDetail, Trial } from '../api/sources_schema.ts';
import { emptyForm, formOf, isWhole, mappingOf, wrongFields, type MappingForm } from './mapping_form.ts';
import type { Page } from './page.svelte.ts';
import { Resource } from './resource.svelte.ts';
import { askOften } from './sources.svelte.ts';

const PATH = '/api/sources/mappings';
const TRY_AFTER_MS = 400;

/** A refused message that a mapping shall be mended with. */
export interface Brought {
  id: number;
  payload: string;
}

export class Mappings {
  readonly list = new Resource<MappingRow[]>(PATH);
  /** Why one could not be opened. */
  error = $state('');
  /** The mapping in the editor as the server has it; null for a new one. */
  kept = $state.raw<MappingDetail | null>(null);
  /** The newest version of it: what is changed when an old one is looked at is that. */
  newest = $state(0);
  editing = $state(false);
  name = $state('');
  zh = $state('');
  en = $state('');
  form = $state<MappingForm>(emptyForm());
  sample = $state('');
  sampleId = $state<number | null>(null);
  fields = $state.raw<MessageFields | null>(null);
  fieldsError = $state('');
  trial = $state.raw<Trial | null>(null);
  trialError = $state('');
  trying = $state(false);
  busy = $state(false);
  problem = $state('');
  /** Somebody else saved a newer version meanwhile. */
  overtaken = $state(false);
  /** The mapping was changed here with a message of the quarantine: what waits there can be replayed. */
  mended = $state<string | null>(null);
  catalog = $state.raw<Catalog | null>(null);
  private saved = $state('');
  private reading = 0;
  private tried = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly page: Page;
  private readonly tell: (text: string) => void;

  constructor(page: Page, tell: (text: string) => void) {
    this.page = page;
    this.tell = tell;
  }

  get dirty(): boolean {
    return this.editing && this.snapshot() !== this.saved;
  }

  get isNew(): boolean {
    return this.editing && !this.kept;
  }

  get isOld(): boolean {
    return !!this.kept && this.kept.version !== this.newest;
  }

  get complete(): boolean {
    return isWhole(this.form) && !!this.zh.trim() && !!this.en.trim() && (!!this.kept || /^[a-z][a-z0-9-]{1,31}$/.test(this.name));
  }

  /** The fields of the form that the trial found something wrong with. */
  get marked(): Set<string> {
    return wrongFields(this.form, this.trial?.wrong ?? []);
  }

  /** The mapping in the editor as it stands in the list, with what comes by it now. */
  get row(): MappingRow | undefined {
    return this.list.value?.find((row) => row.name === this.kept?.name);
  }

  /** The version to put back where the mapping is retired; null where it is used. */
  get lastUsed(): number | null {
    const [newest, ...before] = this.kept?.versions ?? [];
    return newest?.retired ? (before.find((version) => !version.retired)?.version ?? null) : null;
  }

  async read(): Promise<void> {
    void this.list.refresh();
    if (this.catalog) return;
    try {
      this.catalog = await get<Catalog>('/api/catalog');
    } catch (problem) {
      this.error = this.page.failed(problem);
    }
  }

  /** Ask what comes by each while somebody looks; gives back what ends it. */
  start(): () => void {
    return askOften(() => this.list.value && void this.list.refresh());
  }

  begin(): void {
    this.fill(null);
    this.newest = 0;
  }

  async open(name: string, version = 0): Promise<void> {
    try {
      const kept = await get<MappingDetail>(`${PATH}/${name}${version ? `?version=${version}` : ''}`);
      this.newest = kept.versions[0]?.version ?? kept.version;
      this.fill(kept);
      this.error = '';
    } catch (problem) {
      this.error = this.page.failed(problem);
    }
  }

  close(): void {
    this.editing = false;
    this.kept = null;
    this.mended = null;
    this.bring(null);
  }

  /** Take a message to mend a mapping with. */
  bring(message: RefusedDetail | Brought | null): void {
    this.sample = message?.payload ?? '';
    this.sampleId = message?.id ?? null;
    this.sampleChanged();
  }

  /** Read the fields of the sample anew, and try the mapping on it. */
  sampleChanged(): void {
    const mine = ++this.reading;
    this.fieldsError = '';
    if (!this.sample.trim()) {
      this.fields = null;
      this.changed();
      return;
    }
    void (async () => {
      try {
        const found = await post<MessageFields>(`${PATH}/fields`, { payload: this.sample });
        if (mine === this.reading) this.fields = found;
      } catch (problem) {
        if (mine !== this.reading) return;
        this.fields = null;
        this.fieldsError = problem instanceof ApiError && problem.status === 422 ? problem.detail : this.page.failed(problem);
      }
    })();
    this.changed();
  }

  /** Try the mapping soon, once nothing more is typed. */
  changed(): void {
    this.problem = '';
    const mine = ++this.tried;
    clearTimeout(this.timer);
    if (!this.editing || !this.sample.trim() || !isWhole(this.form)) {
      this.trial = null;
      this.trialError = '';
      this.trying = false;
      return;
    }
    this.trying = true;
    this.timer = setTimeout(() => void this.try(mine), TRY_AFTER_MS);
  }

  async save(): Promise<void> {
    const { kept } = this;
    const content = { zh: this.zh.trim(), en: this.en.trim(), mapping: mappingOf(this.form) };
    await this.act(async () => {
      const made = kept ? await put<MappingDetail>(`${PATH}/${kept.name}`, { ...content, version: this.newest }) : await post<MappingDetail>(PATH, { ...content, name: this.name });
      this.done(made);
      if (this.sampleId !== null) this.mended = made.name;
      this.tell(this.page.t('did_mappingSaved', made.version));
    });
  }

  async putBack(version: number): Promise<void> {
    const { kept } = this;
    if (!kept) return;
    await this.act(async () => {
      const made = await post<MappingDetail>(`${PATH}/${kept.name}/restore`, { version, newest: this.newest });
      this.done(made);
      this.tell(this.page.t('did_mappingBack', version, made.version));
    });
  }

  async retire(): Promise<void> {
    const { kept } = this;
    if (!kept) return;
    await this.act(async () => {
      const made = await post<MappingDetail>(`${PATH}/${kept.name}/retire`, { newest: this.newest });
      this.done(made);
      this.tell(this.page.t('did_mappingRetired'));
    });
  }

  private done(made: MappingDetail): void {
    this.newest = made.version;
    this.fill(made);
    void this.read();
  }

  private fill(kept: MappingDetail | null): void {
    this.kept = kept;
    this.name = kept?.name ?? '';
    this.zh = kept?.title.zh ?? '';
    this.en = kept?.title.en ?? '';
    this.form = kept ? formOf(kept.mapping) : emptyForm();
    this.saved = this.snapshot();
    this.editing = true;
    this.overtaken = false;
    this.problem = '';
    this.changed();
  }

  private snapshot(): string {
    return JSON.stringify([this.name, this.zh, this.en, this.form]);
  }

  private async try(mine: number): Promise<void> {
    try {
      const trial = await post<Trial>(`${PATH}/try`, { mapping: mappingOf(this.form), payload: this.sample });
      if (mine !== this.tried) return;
      this.trial = trial;
      this.trialError = '';
    } catch (problem) {
      if (mine !== this.tried) return;
      this.trial = null;
      this.trialError = this.page.failed(problem);
    }
    this.trying = false;
  }

  private async act(then: () => Promise<void>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.problem = '';
    try {
      await then();
    } catch (problem) {
      this.problem = this.why(problem);
    }
    this.busy = false;
  }

  private why(problem: unknown): string {
    if (!(problem instanceof ApiError)) return this.page.failed(problem);
    this.overtaken = problem.status === 409 && problem.where === 'version';
    if (this.overtaken) return this.page.t('bad_mappingChanged');
    if (problem.status === 409 && problem.where === 'retired') return this.page.t('bad_mappingRetired');
    if (problem.status === 409) return this.page.t('bad_mappingTaken');
    if (problem.status === 422 && problem.where === 'version') return this.page.t('bad_mappingIs');
    return [problem.where, problem.detail].filter(Boolean).join(' · ');
  }
}
