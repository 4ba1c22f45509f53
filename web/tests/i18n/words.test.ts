import { describe, expect, it } from 'vitest';
import { wordOf } from '../../src/i18n/index.ts';

describe('words for what the server names freely', () => {
  it('are those of the prefix, in the language of the page', () => {
    expect(wordOf('zh', 'stage', 'handling')).toBe('任务处理');
    expect(wordOf('en', 'stream', 'timeout')).not.toBe('timeout');
  });

  it('are the name as it came where there are none, also where it looks like a part of every object', () => {
    expect(wordOf('zh', 'stage', 'newer')).toBe('newer');
    expect(wordOf('en', '_', 'proto__')).toBe('proto__');
  });
});
