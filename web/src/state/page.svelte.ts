/** Hold what the pages at a desk have in common: language, who is signed in, marks, and the keys for them. */
import { get, onSignedOut } from '../api/client.ts';
import type { Health } from '../api/schema.ts';
import { failure, langOf, say, type Key, type Lang } from '../i18n/index.ts';
import { isTyping } from '../modes/keyboard.ts';
import { turnTheme } from '../look/theme.ts';
import { Session, toSignIn } from './session.svelte.ts';

/** What a part of any page needs to say something. */
export interface Speaker {
  readonly lang: Lang;
  readonly t: (key: Key, ...args: (string | number)[]) => string;
  readonly failed: (problem: unknown) => string;
}

export class Page implements Speaker {
  lang = $state<Lang>(langOf(location.search, localStorage.getItem('lang')));
  readonly session = new Session();
  demo = $state(false);
  menuOpen = $state(false);
  /** Why who is signed in could not be read. */
  error = $state('');

  private stopIdle: (() => void) | undefined;

  t = (key: Key, ...args: (string | number)[]): string => say(this.lang, key, ...args);

  failed = (problem: unknown): string => failure(this.lang, problem instanceof Error ? problem.message : String(problem));

  constructor() {
    this.setLang(this.lang, false);
  }

  /** Read who is signed in; answers false where nothing can be shown: the page goes to sign in, or says why not. */
  async start(): Promise<boolean> {
    onSignedOut(toSignIn);
    try {
      const account = await this.session.read();
      this.stopIdle ??= this.session.idle.start();
      this.demo = account.demo || !!(await get<Health>('/api/health')).demo;
      this.error = '';
      return !account.must_change_password;
    } catch (problem) {
      this.error = this.failed(problem);
      return false;
    }
  }

  setLang(to: Lang, keep = true): void {
    this.lang = to;
    if (keep) localStorage.setItem('lang', to);
    document.documentElement.lang = to === 'zh' ? 'zh-CN' : 'en';
  }

  /** Answers true when the key was one that every page has. */
  press(event: KeyboardEvent): boolean {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return false;
    if (event.key === 'Escape' && this.menuOpen) {
      this.menuOpen = false;
      return true;
    }
    if (isTyping(event.target)) return false;
    switch (event.key.toLowerCase()) {
      case 'l':
        this.setLang(this.lang === 'zh' ? 'en' : 'zh');
        return true;
      case 't':
        turnTheme();
        return true;
      case 'u':
        if (!this.session.account) return false;
        this.menuOpen = !this.menuOpen;
        return true;
      default:
        return false;
    }
  }
}
