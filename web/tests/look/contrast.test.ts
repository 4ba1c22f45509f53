import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hex, PALETTES, STATE_NAMES, statePalette, type Rgb } from '../../src/look/palette.ts';

/** Relative luminance and contrast ratio as WCAG 2.2 defines them. */
function luminance(rgb: Rgb): number {
  const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: Rgb, b: Rgb): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

/** `#rrggbbaa` over what is behind it. */
function over(value: string, behind: Rgb): Rgb {
  const alpha = value.length === 9 ? parseInt(value.slice(7), 16) / 255 : 1;
  return hex(value).map((v, i) => v * alpha + behind[i] * (1 - alpha)) as Rgb;
}

const css = readFileSync('src/look/tokens.css', 'utf8');
const marks = readFileSync('src/look/marks.css', 'utf8');

function tokens(theme: 'dark' | 'light'): Record<string, string> {
  const block = css.split(`[data-theme="${theme}"] {`)[1].split('\n}')[0];
  return Object.fromEntries([...block.matchAll(/--([\w-]+): (#[0-9a-f]{6,8})/g)].map((m) => [m[1], m[2]]));
}

/** Paint of the map that no element has. */
const PAINT_ONLY = ['roadCase', 'shade', 'low', 'middle', 'high', 'chosen', 'affected', 'shading'];

/** What the map is painted with beneath marks and names. */
const GROUNDS = ['ground', 'block', 'green', 'water', 'plaza', 'road', 'road2', 'path', 'roof', 'wallLit'] as const;
const TEXT = 4.5;
/** Of shapes that say something, and of what is drawn large. */
const SHAPE = 3;

describe('WCAG contrast, where axe cannot see', () => {
  it('reckons as WCAG does', () => {
    expect(contrast([0, 0, 0], [255, 255, 255])).toBeCloseTo(21, 5);
    expect(contrast(hex('#767676'), [255, 255, 255])).toBeCloseTo(4.54, 2);
  });

  it.each(['dark', 'light'] as const)('has one palette for CSS and for the map, %s', (theme) => {
    const css = tokens(theme);
    const named: Record<string, string> = { text2: 'text-2', text3: 'text-3', road2: 'm-road-2', wallLit: 'm-wall-lit', ...Object.fromEntries(['ground', 'block', 'green', 'water', 'plaza', 'road', 'path', 'border', 'roof', 'edge', 'halo'].map((k) => [k, `m-${k}`])) };
    for (const [key, value] of Object.entries(PALETTES[theme])) if (!PAINT_ONLY.includes(key)) expect(css[named[key] ?? key], key).toBe(value);
  });

  it.each(['dark', 'light'] as const)('tells the states from whatever of the map lies round their halo, %s', (theme) => {
    const palette = PALETTES[theme];
    // what touches a shape is its halo, through which the map shines: on a lit roof alone the reds would reach 2.5 only
    const halo = Number(/max\(inside, halo \* (\.\d+)\)/.exec(readFileSync('src/layers/device_point_layer.ts', 'utf8'))![1]);
    const round = (ground: Rgb) => hex(palette.halo).map((v, i) => v * halo + ground[i] * (1 - halo)) as Rgb;
    const faults = STATE_NAMES.flatMap((name, i) => GROUNDS.map((ground) => [`${name} on ${ground}`, contrast(statePalette(palette)[i], round(hex(palette[ground])))] as const)).filter(([, ratio]) => ratio < SHAPE);
    expect(faults).toEqual([]);
    for (const ground of GROUNDS) expect(contrast(hex(palette.person), round(hex(palette[ground]))), ground).toBeGreaterThanOrEqual(SHAPE);
  });

  it.each(['dark', 'light'] as const)('reads every text on every panel over any part of the map, %s', (theme) => {
    const t = tokens(theme);
    const behind = theme === 'dark' ? GROUNDS.map((ground) => hex(PALETTES.dark[ground])) : [hex(t.bg)];
    const faults: string[] = [];
    for (const text of ['text', 'text-2', 'text-3', 'warning', 'critical', 'alarm', 'focus', 'sim', 'person'])
      for (const panel of ['bg', 'panel', 'panel-2'])
        for (const ground of behind) {
          const ratio = contrast(hex(t[text]), over(t[panel], ground));
          if (ratio < TEXT) faults.push(`${text} on ${panel}: ${ratio.toFixed(2)}`);
        }
    expect(faults).toEqual([]);
    for (const strong of ['focus', 'warning']) expect(contrast(hex(t['on-strong']), hex(t[strong])), strong).toBeGreaterThanOrEqual(TEXT);
  });

  it.each(['dark', 'light'] as const)('shows where a field and a focus are, %s', (theme) => {
    const t = tokens(theme);
    for (const panel of ['bg', 'panel', 'panel-2'])
      for (const edge of ['focus', 'text-3']) expect(contrast(hex(t[edge]), over(t[panel], hex(t.bg))), `${edge} on ${panel}`).toBeGreaterThanOrEqual(SHAPE);
  });

  it.each(['dark', 'light'] as const)('reads the names on the map against their halo, %s', (theme) => {
    const t = tokens(theme);
    expect(marks).toContain('color: var(--m-name)');
    expect(marks).toContain('color: var(--m-area)');
    for (const name of ['m-name', 'm-area', 'text-2']) expect(contrast(hex(t[name]), hex(PALETTES[theme].halo)), name).toBeGreaterThanOrEqual(TEXT);
  });
});
