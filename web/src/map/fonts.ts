/** Tell MapLibre which font file holds which characters; the files come with the page. */
import ranges from '@fontsource/noto-sans-sc/unicode.json';

const files = import.meta.glob('/node_modules/@fontsource/noto-sans-sc/files/noto-sans-sc-*-400-normal.woff2', {
  query: '?url',
  import: 'default',
  eager: true,
}) as Record<string, string>;

export const MAP_FONT = 'Noto Sans SC';

export function fontFaces(): { url: string; 'unicode-range': string[] }[] {
  return Object.entries(ranges as Record<string, string>).flatMap(([slice, range]) => {
    const name = slice.replace(/[[\]]/g, '');
    const url = files[`/node_modules/@fontsource/noto-sans-sc/files/noto-sans-sc-${name}-400-normal.woff2`];
    return url ? [{ url: new URL(url, location.href).href, 'unicode-range': range.split(',') }] : [];
  });
}
