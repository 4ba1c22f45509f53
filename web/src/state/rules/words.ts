/** Say a rule that is being typed as the sentence it will read as, in Chinese and English. Pure. */
import type { RuleContent, RuleOptions } from '../../api/rules_schema.ts';
import type { Catalog } from '../../api/schema.ts';
import { nameOf, say, type Key, type Lang } from '../../i18n/index.ts';
import { propertiesOf } from './form.ts';
import { general, spanWords } from './spans.ts';

/** The condition in the words of twin/rules/words.py: while one types nobody asks the server, one table of tests holds both. */
export function conditionWords(lang: Lang, content: RuleContent, options: RuleOptions | null): string {
  const t = (key: Key, ...args: (string | number)[]) => say(lang, key, ...args);
  const c = content.condition;
  const span = (field: string) => spanWords(lang, typeof c[field] === 'number' ? c[field] : 0);
  const property = propertiesOf(content, options).find((one) => one.name === content.property);
  const name = nameOf(lang, property?.title) || content.property || t('rw_value');
  const unit = property && property.unit !== '1' ? ` ${property.unit}` : '';
  switch (c.type) {
    case 'limit':
      return threshold(lang, content, name, unit);
    case 'rate':
      return threshold(lang, content, t('rw_rate', name, span('window_s'), span('per_s')), unit);
    case 'silence':
      return t('rw_silence', property ? name : t('rw_device'), span('after_s'));
    case 'learned': {
      const score = (c.score as number | null) ?? options?.learned.find((row) => row.name === c.parameters)?.score;
      return t(`rw_learned_${c.side === 'above' || c.side === 'below' ? c.side : 'both'}`, name, score === undefined ? '—' : general(score));
    }
    case 'fence':
      return c.when === 'dwell' ? t('rw_dwell', span('dwell_s')) : t(c.when === 'leave' ? 'rw_leave' : 'rw_enter');
    case 'density':
      return t('rw_density', general(Number(c.at_least ?? 0)));
    default:
      return c.type;
  }
}

function threshold(lang: Lang, content: RuleContent, what: string, unit: string): string {
  const { above, below, hysteresis, hold_s: hold } = content.condition as Record<string, number | null>;
  const at = above ?? below ?? null;
  const sign = below === null || below === undefined ? '≥' : '≤';
  const back = (at ?? 0) + (sign === '≥' ? -1 : 1) * (hysteresis ?? 0);
  return [
    `${what} ${sign} ${at === null ? '—' : general(at)}${unit}`,
    hold ? say(lang, 'rw_hold', spanWords(lang, hold)) : '',
    hysteresis ? say(lang, 'rw_back', `${general(back)}${unit}`) : '',
  ].join('');
}

/** A kind of case by its code and name; the code alone where it is none of today's, "" for none. */
export function categoryWords(lang: Lang, code: string | null, catalog: Catalog | null): string {
  const known = code ? catalog?.case_categories?.find((one) => one.code === code) : undefined;
  return known ? `${known.code} ${nameOf(lang, known)}` : (code ?? '');
}

/** The whole rule: where, for what, when, what it raises, and what case it reports. */
export function ruleWords(lang: Lang, content: RuleContent, options: RuleOptions | null, catalog: Catalog | null = null): string {
  const area = options?.areas.find((one) => one.code === content.area);
  const where = content.area ? nameOf(lang, area?.name) || content.area : say(lang, 'rw_everywhere');
  const kinds = content.kinds.map((kind) => nameOf(lang, options?.kinds.find((one) => one.name === kind)?.title) || kind);
  const what = kinds.length ? kinds.join(lang === 'zh' ? '、' : ', ') : say(lang, 'rw_everyKind');
  const said = say(lang, 'rw_rule', where, what, conditionWords(lang, content, options), say(lang, `state_${content.state}`));
  return content.category_code ? say(lang, 'rw_case', said, categoryWords(lang, content.category_code, catalog)) : said;
}
