/** Do by key what can be done at the desk. No key alone does what cannot be undone: it begins, Enter confirms. */
import type { Key } from '../i18n/index.ts';
import { moveOfKey } from '../state/desk/moves.ts';
import { QUEUE_NAMES, type Desk } from '../state/desk.svelte.ts';
import { isTyping } from './keyboard.ts';

/** Keys in the order in which the help lists them: caps and what they do. */
export const DESK_KEYS: { caps: string[]; key: Key }[] = [
  { caps: ['1', '2', '3', '4'], key: 'dk_queues' },
  { caps: ['J', 'K'], key: 'dk_move' },
  { caps: ['Enter'], key: 'dk_enter' },
  { caps: ['Esc'], key: 'key_esc' },
  { caps: ['/'], key: 'key_find' },
  { caps: ['X'], key: 'dk_x' },
  { caps: ['B'], key: 'dk_b' },
  { caps: ['A'], key: 'dk_a' },
  { caps: ['D'], key: 'dk_d' },
  { caps: ['T'], key: 'dk_t' },
  { caps: ['U'], key: 'dk_u' },
  { caps: ['R'], key: 'dk_r' },
  { caps: ['L'], key: 'dk_l' },
  { caps: ['O'], key: 'dk_o' },
  { caps: ['Tab'], key: 'dk_tab' },
  { caps: ['M'], key: 'dk_m' },
  { caps: ['V'], key: 'dk_v' },
  { caps: ['E'], key: 'dk_e' },
  { caps: ['Y'], key: 'dk_y' },
  { caps: ['S'], key: 'dk_s' },
  { caps: ['N'], key: 'dk_n' },
  { caps: ['P'], key: 'dk_p' },
  { caps: ['Ctrl', 'Enter'], key: 'dk_record' },
  { caps: ['←', '→'], key: 'dk_arrows' },
  { caps: ['G'], key: 'dk_g' },
  { caps: ['F1', 'F2', 'F3'], key: 'dk_cameras' },
  { caps: ['C'], key: 'dk_c' },
  { caps: ['H'], key: 'key_h' },
  { caps: ['F'], key: 'key_f' },
  { caps: ['W'], key: 'key_b' },
  { caps: ['?'], key: 'key_help' },
];

/** Answers true when the key was ours. */
export function pressDesk(desk: Desk, event: KeyboardEvent): boolean {
  if (event.isComposing) return false;
  const target = event.target as HTMLElement | null;
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    // a form of its own answers for itself
    if (desk.entry.open || desk.alarmActs.of || !desk.open || desk.searchOpen) return false;
    if (desk.merging.cases) void desk.merging.confirm();
    else if (target?.closest('[data-form]')) void desk.acts.confirm();
    else void desk.acts.record();
    return true;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  if (desk.alarmActs.of && event.key !== 'Escape') return false;
  if (event.key === 'Escape') {
    if (isTyping(target) && target?.dataset.note !== undefined) target.blur();
    else desk.close();
    return true;
  }
  if (event.key === 'F1' || event.key === 'F2' || event.key === 'F3') {
    const camera = desk.open?.surroundings.value?.cameras[Number(event.key[1]) - 1];
    if (!camera) return false;
    desk.camera = desk.camera === camera.id ? null : camera.id;
    return true;
  }
  if (isTyping(target) || desk.entry.link || (desk.entry.open && !desk.entry.picking) || desk.searchOpen || desk.menuOpen) return false;
  if (event.key.startsWith('Arrow') && target?.closest('.maplibregl-canvas')) return false;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === '?') {
    desk.helpOpen = !desk.helpOpen;
    return true;
  }
  if (desk.helpOpen) return false;
  if (key === 'Tab') {
    // from the row or the page itself; inside panels and forms Tab goes where it always goes
    const free = !target || target === document.body || target.dataset.row !== undefined || target.dataset.candidate !== undefined;
    // behind the last and before the first of them Tab leaves, as everywhere
    const step = event.shiftKey ? -1 : 1;
    return free && !!desk.open?.handlers[desk.open.candidate + step] && desk.nextCandidate(step);
  }
  if (key === 'Enter') {
    if (target?.closest('[data-form]')) return false;
    if (target?.closest('button, a, [role=menuitem]') && target.dataset.row === undefined) return false;
    if (desk.open?.draft && (desk.cursor === null || desk.cursor === desk.open.id)) void desk.acts.confirm();
    else desk.openCursor();
    return true;
  }
  if (desk.menu && target && inMenu(target, key)) return true;
  const queue = QUEUE_NAMES[Number(key) - 1];
  if (queue && !desk.menu) {
    desk.choose(queue);
    return true;
  }
  return letter(desk, key);
}

/** Go up and down in the menu that has the keyboard. */
function inMenu(target: HTMLElement, key: string): boolean {
  const step = key === 'ArrowDown' || key === 'j' ? 1 : key === 'ArrowUp' || key === 'k' ? -1 : 0;
  const items = [...(target.closest('[role=menu]')?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])];
  if (!step || !items.length) return false;
  const at = items.findIndex((item) => item === target.closest('[role=menuitem]'));
  items[(Math.max(at, step > 0 ? -1 : 0) + step + items.length) % items.length].focus();
  return true;
}

function letter(desk: Desk, key: string): boolean {
  const { open, stand } = desk;
  switch (key) {
    case 'j':
    case 'ArrowDown':
      desk.move(1);
      return true;
    case 'k':
    case 'ArrowUp':
      desk.move(-1);
      return true;
    case '/':
      desk.searchOpen = true;
      return true;
    case 'c':
      desk.entry.start();
      return true;
    case 'h':
      desk.toggle('heat');
      return true;
    case 'f':
      desk.toggle('camera_field');
      return true;
    case 'x':
      desk.merging.toggleCursor();
      return true;
    case 'b':
      desk.merging.begin();
      return true;
    case 'w':
      desk.onReset();
      return true;
    default:
  }
  if (!open || !stand) return false;
  switch (key) {
    case 'ArrowLeft':
      return desk.stepStrip(-1);
    case 'ArrowRight':
      return desk.stepStrip(1);
    case 'g':
      desk.fly();
      return true;
    case 'e':
      open.expanded = !open.expanded;
      return true;
    case 'y':
      return desk.acknowledgeGroup();
    case 's':
      return desk.shelveGroup();
    case 'n':
      desk.onFocus('note');
      return true;
    case 'p':
      if (!open.model) return false;
      desk.acts.takeOver();
      return true;
    case 'm':
      if (!open.conflict) return false;
      void desk.acts.merge();
      return true;
    case 'v':
      if (open.conflict) open.differences = !open.differences;
      else if (desk.camera !== null && desk.cameraLook.may) void desk.cameraLook.look();
      else return false;
      return true;
    case 'o':
      desk.menu = !desk.menu;
      return true;
    default:
  }
  const move = moveOfKey(stand.moves, key);
  if (!move) return false;
  desk.acts.begin(move);
  return true;
}
