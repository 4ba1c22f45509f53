/** Do by key what can be done on the page of rules. */
import type { Key } from '../i18n/index.ts';
import { turnTheme } from '../look/theme.ts';
import type { Rules } from '../state/rules.svelte.ts';
import { isTyping } from './keyboard.ts';

export const RULES_KEYS: { caps: string[]; key: Key }[] = [
  { caps: ['J', 'K'], key: 'ru_kMove' },
  { caps: ['Enter'], key: 'ru_kOpen' },
  { caps: ['/'], key: 'ru_kFilter' },
  { caps: ['N'], key: 'ru_kNew' },
  { caps: ['Ctrl', 'Enter'], key: 'ru_kTry' },
  { caps: ['Ctrl', 'S'], key: 'ru_kSave' },
  { caps: ['M'], key: 'ru_kMerge' },
  { caps: ['B'], key: 'key_b' },
  { caps: ['Esc'], key: 'ru_kEsc' },
  { caps: ['?'], key: 'key_help' },
];

/** Answers true when the key was ours. */
export function pressRules(rules: Rules, event: KeyboardEvent): boolean {
  if (event.isComposing) return false;
  const target = event.target as HTMLElement | null;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if ((event.ctrlKey || event.metaKey) && !event.altKey) {
    if (key === 'Enter') void rules.trying.try();
    else if (key === 's') void rules.save();
    else return false;
    return true;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  if (key === 'Escape') {
    // out of a field first, then what is open
    if (isTyping(target) && !rules.drawing) target!.blur();
    else rules.close();
    return true;
  }
  // corners of a fence and what can be folded answer for themselves
  if (isTyping(target) || rules.menuOpen || target?.closest('[data-corner], [role=treeitem]')) return false;
  if (event.key.startsWith('Arrow') && target?.closest('.maplibregl-canvas')) return false;
  if (key === '?') {
    rules.helpOpen = !rules.helpOpen;
    return true;
  }
  if (rules.helpOpen) return false;
  switch (key) {
    case 'j':
    case 'ArrowDown':
      rules.move(1);
      return true;
    case 'k':
    case 'ArrowUp':
      rules.move(-1);
      return true;
    case 'Enter':
      if (target?.closest('button, a, summary, [role=menuitem]') && target.dataset.row === undefined) return false;
      rules.openCursor();
      return true;
    case '/':
      rules.onFocus('filter');
      return true;
    case 'n':
      if (!rules.mayManage) return false;
      rules.begin();
      return true;
    case 'm':
      if (!rules.open?.theirs) return false;
      rules.merge();
      return true;
    case 'b':
      rules.onReset();
      return true;
    case 'l':
      rules.setLang(rules.lang === 'zh' ? 'en' : 'zh');
      return true;
    case 't':
      turnTheme();
      return true;
    case 'u':
      if (!rules.session.account) return false;
      rules.menuOpen = !rules.menuOpen;
      return true;
    default:
      return false;
  }
}
