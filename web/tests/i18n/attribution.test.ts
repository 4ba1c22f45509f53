import { describe, expect, it } from 'vitest';
import { attributionIn } from '../../src/i18n/attribution.ts';

describe('attributionIn', () => {
  it('names OpenStreetMap in the language of the page, once', () => {
    expect(attributionIn('zh', '© OpenStreetMap contributors')).toBe('© OpenStreetMap 贡献者，ODbL');
    expect(attributionIn('en', '© OpenStreetMap contributors')).toBe('© OpenStreetMap contributors, ODbL');
    expect(attributionIn('en', 'Data (c) OpenStreetMap · © OpenStreetMap contributors')).toBe('© OpenStreetMap contributors, ODbL');
  });

  it('leaves other sources as they are', () => {
    expect(attributionIn('zh', '某市测绘院 · © OpenStreetMap contributors')).toBe('某市测绘院 · © OpenStreetMap 贡献者，ODbL');
    expect(attributionIn('zh', '某市测绘院')).toBe('某市测绘院');
    expect(attributionIn('en', '')).toBe('');
  });
});
