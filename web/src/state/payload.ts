/** Write a payload so that it can be read, without changing what it says: pure. */
import type { Encoding } from '../api/sources_schema.ts';

export interface Shown {
  text: string;
  form: 'json' | 'as_is' | 'base64' | 'empty';
}

export function shownPayload(payload: string, encoding: Encoding): Shown {
  if (!payload) return { text: '', form: 'empty' };
  if (encoding === 'base64') return { text: payload, form: 'base64' };
  try {
    JSON.parse(payload);
  } catch {
    return { text: payload, form: 'as_is' };
  }
  return { text: indented(payload), form: 'json' };
}

/** JSON with a line a member. Numbers stay as they are written: parsed and written again, long ones would be others. */
export function indented(json: string): string {
  let out = '';
  let depth = 0;
  const line = () => `\n${'  '.repeat(depth)}`;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{[]\s*[}\]]|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (token === '{' || token === '[') {
      depth += 1;
      out += token + line();
    } else if (token === '}' || token === ']') {
      depth -= 1;
      out += line() + token;
    } else if (token === ',') out += token + line();
    else if (token === ':') out += ': ';
    else out += token.length > 1 && '{['.includes(token[0]) ? token[0] + token.at(-1)! : token;
  }
  return out;
}
