/** Light or dark: as last chosen on this machine, else as the page is made for. */

export type Theme = 'light' | 'dark';

export function applyTheme(): void {
  const chosen = localStorage.getItem('theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
}

export function turnTheme(): void {
  const to: Theme = document.documentElement.dataset.theme === 'light' ? 'dark' : 'light';
  document.documentElement.dataset.theme = to;
  localStorage.setItem('theme', to);
}

/** How the page is shown now. */
export function shownTheme(): Theme {
  return document.documentElement.dataset.theme === 'light' ? 'light' : 'dark';
}
