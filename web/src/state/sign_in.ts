/** The steps of signing in, and what leads from one to the next: pure. */
import { ApiError } from '../api/client.ts';
import type { SignInAnswer } from '../api/access_schema.ts';
import type { Key } from '../i18n/index.ts';

export type Step =
  | { at: 'password'; error?: Key }
  | { at: 'code'; step: string; enrolment: string | null; mustChange?: boolean; sinceMs: number; error?: Key }
  | { at: 'new_password'; error?: Key }
  | { at: 'done' };

/** The server keeps the first step so long; a code after that is refused however right it is. */
export const CODE_WITHIN_MS = 5 * 60_000;

export function afterAnswer(answer: SignInAnswer, nowMs: number): Step {
  if (answer.state === 'code_needed') {
    return answer.step ? { at: 'code', step: answer.step, enrolment: answer.enrolment, sinceMs: nowMs } : { at: 'password', error: 'signInFailed' };
  }
  return answer.must_change_password ? { at: 'new_password' } : { at: 'done' };
}

/** Where a refusal leads: the same step with a word on why, or back to the password when the code came too late. */
export function afterRefusal(step: Step, problem: unknown, nowMs: number): Step {
  if (step.at === 'done') return step;
  const status = problem instanceof ApiError ? problem.status : 0;
  if (step.at === 'code' && status === 401 && nowMs - step.sinceMs >= CODE_WITHIN_MS) return { at: 'password', error: 'codeLate' };
  return { ...step, error: reason(step.at, status, problem) };
}

const PROVIDER_PROBLEMS: Record<string, Key> = {
  unknown: 'providerUnknown',
  cancelled: 'providerCancelled',
  expired: 'providerExpired',
  refused: 'providerRefused',
  away: 'providerAway',
  none: 'providerNone',
};

/** Why signing in by the identity provider came to nothing, as the server says in the address of this page. */
export function providerProblem(search: string): Key | undefined {
  const code = new URLSearchParams(search).get('problem');
  if (code === null) return undefined;
  return Object.hasOwn(PROVIDER_PROBLEMS, code) ? PROVIDER_PROBLEMS[code] : 'signInFailed';
}

function reason(at: Step['at'], status: number, problem: unknown): Key {
  if (status === 0) return 'signInNoAnswer';
  if (status === 429) return 'signInTooOften';
  if (status === 401) return at === 'password' ? 'signInWrong' : at === 'code' ? 'codeWrong' : 'oldWrong';
  if (status === 422 && at === 'code') return 'codeWrong';
  if (status === 422 && at === 'new_password') {
    const said = (problem as ApiError).detail;
    return /one of the last/.test(said) ? 'passwordUsed' : /guessed/.test(said) ? 'passwordGuessed' : 'passwordWeak';
  }
  return status >= 500 ? 'signInNoAnswer' : 'signInFailed';
}

export interface PasswordRule {
  key: Key;
  kept: boolean;
}

/** The rules for a new password that can be told here; well-known ones and earlier ones only the server knows. */
export function passwordRules(password: string, name: string): PasswordRule[] {
  const kinds = [/\p{Ll}/u, /\p{Lu}/u, /\p{Nd}/u, /[^\p{L}\p{N}]|[^\x00-\x7f]/u].filter((kind) => kind.test(password)).length;
  const low = password.toLowerCase();
  const length = [...password].length;
  return [
    { key: 'ruleLength', kept: length >= 10 && length <= 200 },
    { key: 'ruleKinds', kept: kinds >= 3 },
    { key: 'ruleName', kept: password !== '' && !(name && low.includes(name.toLowerCase())) && new Set(low).size >= 5 },
  ];
}

/** The secret of an `otpauth://` address in groups of four, to be typed into an authenticator. */
export function secretOf(enrolment: string): string {
  const secret = /[?&]secret=([A-Za-z2-7]+)/.exec(enrolment)?.[1] ?? '';
  return secret.replace(/(.{4})(?=.)/g, '$1 ');
}
