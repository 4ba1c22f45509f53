/** Open a page with the live map, and close it again. */
import type { LivePage } from '../state/live_page.svelte.ts';
import { watchProblems } from './problems.ts';

interface Opening {
  /** Answers true for a key that did something. */
  press(event: KeyboardEvent): boolean;
  /** Whether something was typed that leaving would lose. */
  unsaved?(): boolean;
  /** Open what the address names, once there is something to show it on. */
  recall?(): void;
}

/** Start a page: its language, its keys, what goes wrong in it, its first read; answers what ends it. */
export function openPage(page: LivePage, { press, unsaved, recall }: Opening): () => void {
  document.documentElement.lang = page.lang === 'zh' ? 'zh-CN' : 'en';
  const onKey = (event: KeyboardEvent) => {
    // behind the door nothing is done by key
    if (page.signedOutAt === null && press(event)) event.preventDefault();
  };
  const onUnload = (event: BeforeUnloadEvent) => {
    if (unsaved?.()) event.preventDefault();
  };
  window.addEventListener('keydown', onKey);
  window.addEventListener('beforeunload', onUnload);
  const unwatch = watchProblems(page);
  void page.start().then(() => page.scene && recall?.());
  return () => {
    window.removeEventListener('keydown', onKey);
    window.removeEventListener('beforeunload', onUnload);
    unwatch();
    page.stop();
  };
}
