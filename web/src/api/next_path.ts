/** Where to go after signing in: pages of this server only. */

/** Pages that lead to signing in themselves: to come back to them would go round in a circle. */
const DOORS = ['/sign-in', '/kiosk'];
const HERE = 'http://here.invalid';

/**
 * The path to open after signing in.
 *
 * Whatever is no plain path of this server becomes the start page: another host however written (`//host`,
 * `/\host`, a tab or line break within), an address of the API, the sign-in page itself.
 */
export function nextPath(search: string): string {
  const asked = new URLSearchParams(search).get('next') ?? '/';
  // browsers read a backslash as a slash and leave out control characters: neither has a place in our paths
  if (!/^\/(?![/\\])[^\\\u0000-\u001f\u007f]*$/.test(asked)) return '/';
  let url: URL;
  try {
    url = new URL(asked, HERE);
  } catch {
    return '/';
  }
  if (url.origin !== HERE || url.pathname.startsWith('//')) return '/';
  if (DOORS.includes(url.pathname) || url.pathname.startsWith('/api/')) return '/';
  return url.pathname + url.search + url.hash;
}

/** The sign-in page that leads back to a page. */
export function signInPath(page: { pathname: string; search: string }): string {
  const next = page.pathname + page.search;
  return DOORS.includes(page.pathname) || next === '/' ? '/sign-in' : `/sign-in?next=${encodeURIComponent(next)}`;
}
