/** Do by key what can be done on the page of maintenance windows. No key alone ends one: Enter confirms. */
import type { Key } from '../i18n/index.ts';
import { turnTheme } from '../look/theme.ts';
import type { Maintenance } from '../state/maintenance.svelte.ts';
import { isTyping } from './keyboard.ts';

export const MAINTENANCE_KEYS: { caps: string[]; key: Key }[] = [
  { caps: ['J', 'K'], key: 'mw_kMove' },
  { caps: ['Enter'], key: 'mw_kOpen' },
  { caps: ['N'], key: 'mw_kNew' },
  { caps: ['Ctrl', 'S'], key: 'mw_kSave' },
  { caps: ['E'], key: 'mw_kEnd' },
  { caps: ['B'], key: 'key_b' },
  { caps: ['Esc'], key: 'ru_kEsc' },
  { caps: ['?'], key: 'key_help' },
];

/** Answers true when the key was ours. */
export function pressMaintenance(page: Maintenance, event: KeyboardEvent): boolean {
  if (event.isComposing) return false;
  const target = event.target as HTMLElement | null;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if ((event.ctrlKey || event.metaKey) && !event.altKey) {
    if (key !== 's') return false;
    void page.save();
    return true;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  if (key === 'Escape') {
    // out of a field first, then what is open
    if (isTyping(target) && !page.drawing) target!.blur();
    else page.close();
    return true;
  }
  // corners of a border and the tree of areas answer for themselves
  if (isTyping(target) || page.menuOpen || target?.closest('[data-corner], [role=treeitem]')) return false;
  if (event.key.startsWith('Arrow') && target?.closest('.maplibregl-canvas')) return false;
  if (key === '?') {
    page.helpOpen = !page.helpOpen;
    return true;
  }
  if (page.helpOpen) return false;
  switch (key) {
    case 'j':
    case 'ArrowDown':
      page.move(1);
      return true;
    case 'k':
    case 'ArrowUp':
      page.move(-1);
      return true;
    case 'Enter':
      if (page.ending && !target?.closest('button')) void page.end();
      else if (target?.closest('button, a, [role=menuitem]') && target.dataset.row === undefined) return false;
      else page.openWindow();
      return true;
    case 'n':
      if (!page.mayPlan) return false;
      page.begin();
      return true;
    case 'e':
      return page.askEnd();
    case 'b':
      page.onReset();
      return true;
    case 'l':
      page.setLang(page.lang === 'zh' ? 'en' : 'zh');
      return true;
    case 't':
      turnTheme();
      return true;
    case 'u':
      if (!page.session.account) return false;
      page.menuOpen = !page.menuOpen;
      return true;
    default:
      return false;
  }
}
