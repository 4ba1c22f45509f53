/** Do by key what can be done on the wall. */
import type { Wall } from '../state/wall.svelte.ts';

/** Keys in the order in which the help lists them: caps and what they do. */
const KEYS: { caps: string[]; key: 'key_move' | 'key_enter' | 'key_esc' | 'key_g' | 'key_a' | 'key_s' | 'key_e' | 'key_find' | 'key_h' | 'key_f' | 'key_b' | 'key_l' | 'key_x' | 'key_v' | 'key_u' | 'key_help' }[] = [
  { caps: ['J', 'K'], key: 'key_move' },
  { caps: ['Enter'], key: 'key_enter' },
  { caps: ['Esc'], key: 'key_esc' },
  { caps: ['G'], key: 'key_g' },
  { caps: ['A'], key: 'key_a' },
  { caps: ['S'], key: 'key_s' },
  { caps: ['E'], key: 'key_e' },
  { caps: ['/'], key: 'key_find' },
  { caps: ['H'], key: 'key_h' },
  { caps: ['F'], key: 'key_f' },
  { caps: ['B'], key: 'key_b' },
  { caps: ['X'], key: 'key_x' },
  { caps: ['V'], key: 'key_v' },
  { caps: ['L'], key: 'key_l' },
  { caps: ['U'], key: 'key_u' },
  { caps: ['?'], key: 'key_help' },
];

export function isTyping(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  return !!element && (element.tagName === 'INPUT' || element.tagName === 'TEXTAREA' || element.tagName === 'SELECT' || element.isContentEditable);
}

/** The keys that do something for whoever looks: who may not act is not offered the act. */
export function keysOf(wall: Wall): typeof KEYS {
  const away = [...(wall.mayAcknowledge ? [] : ['key_a', 'key_s']), wall.mayExport ? '' : 'key_x', wall.mayLook ? '' : 'key_v', wall.session.kiosk ? 'key_u' : ''];
  return KEYS.filter((k) => !away.includes(k.key));
}

/** Answers true when the key was ours. */
export function press(wall: Wall, event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return false;
  if (event.key === 'Escape') {
    wall.close();
    return true;
  }
  // a dialog that asks something keeps the keys
  if (isTyping(event.target) || wall.exporting || wall.alarmActs.of) return false;
  // on the map itself the arrows move the map
  if (event.key.startsWith('Arrow') && (event.target as HTMLElement | null)?.closest('.maplibregl-canvas')) return false;
  switch (event.key.length === 1 ? event.key.toLowerCase() : event.key) {
    case 'j':
    case 'ArrowDown':
      wall.move(1);
      return true;
    case 'k':
    case 'ArrowUp':
      wall.move(-1);
      return true;
    case 'Enter':
      // a focused button answers for itself
      if ((event.target as HTMLElement | null)?.closest('button, a')) return false;
      wall.openCursor();
      return true;
    case 'g':
      wall.fly();
      return true;
    case 'a':
      void wall.acknowledge();
      return true;
    case 's':
      return wall.shelve();
    case 'e':
      wall.expand();
      return true;
    case '/':
      wall.searchOpen = true;
      return true;
    case '?':
      wall.helpOpen = !wall.helpOpen;
      return true;
    case 'l':
      wall.setLang(wall.lang === 'zh' ? 'en' : 'zh');
      return true;
    case 'u':
      // a screen nobody sits at has no account to manage
      if (!wall.session.account || wall.session.kiosk) return false;
      wall.menuOpen = !wall.menuOpen;
      return true;
    case 'x':
      if (!wall.mayExport) return false;
      wall.openExport();
      return true;
    case 'v':
      if (!wall.mayLook || !wall.cameraLook.may) return false;
      void wall.cameraLook.look();
      return true;
    case 'h':
      wall.toggle('heat');
      return true;
    case 'f':
      wall.toggle('camera_field');
      return true;
    case 'b':
      wall.onReset();
      return true;
    default:
      return false;
  }
}
