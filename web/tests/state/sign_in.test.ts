import { describe, expect, it } from 'vitest';
import { ApiError } from '../../src/api/client.ts';
import type { SignInAnswer } from '../../src/api/access_schema.ts';
import { afterAnswer, afterRefusal, CODE_WITHIN_MS, passwordRules, providerProblem, secretOf, type Step } from '../../src/state/sign_in.ts';

const answer = (part: Partial<SignInAnswer>): SignInAnswer => ({ state: 'signed_in', must_change_password: false, step: null, enrolment: null, ...part });
const refused = (status: number, detail = '') => new ApiError({ title: '', status, detail });

describe('the steps of signing in', () => {
  it('is done, or goes on to a new password', () => {
    expect(afterAnswer(answer({}), 0)).toEqual({ at: 'done' });
    expect(afterAnswer(answer({ must_change_password: true }), 0)).toEqual({ at: 'new_password' });
  });

  it('says why the identity provider let nobody in, each reason in its own words', () => {
    const codes = ['unknown', 'cancelled', 'expired', 'refused', 'away', 'none'];
    const said = codes.map((code) => providerProblem(`?problem=${code}&next=%2Fwall`));
    expect(new Set(said).size).toBe(codes.length);
    expect(said).not.toContain('signInFailed');
    expect(providerProblem('?problem=toString')).toBe('signInFailed');
    expect(providerProblem('?next=%2Fwall')).toBeUndefined();
  });

  it('asks for a code, with the authenticator to connect where there is none', () => {
    expect(afterAnswer(answer({ state: 'code_needed', step: 's', enrolment: 'otpauth://x' }), 7)).toEqual({ at: 'code', step: 's', enrolment: 'otpauth://x', sinceMs: 7 });
    expect(afterAnswer(answer({ state: 'code_needed', step: 's' }), 7)).toMatchObject({ enrolment: null });
  });

  it('keeps the step of the code and its authenticator through a wrong code', () => {
    const step: Step = { at: 'code', step: 's', enrolment: 'otpauth://x', sinceMs: 0 };
    expect(afterRefusal(step, refused(401), 1000)).toEqual({ ...step, error: 'codeWrong' });
    expect(afterRefusal(step, refused(422), 1000)).toMatchObject({ at: 'code', error: 'codeWrong' });
  });

  it('goes back to the password when the code comes after its time, but not when only the server is away', () => {
    const step: Step = { at: 'code', step: 's', enrolment: null, sinceMs: 0 };
    expect(afterRefusal(step, refused(401), CODE_WITHIN_MS)).toEqual({ at: 'password', error: 'codeLate' });
    expect(afterRefusal(step, new TypeError('Failed to fetch'), CODE_WITHIN_MS)).toMatchObject({ at: 'code', error: 'signInNoAnswer' });
  });

  it('says why in words, and never more closely than the server does', () => {
    const at = (step: Step, problem: unknown) => (afterRefusal(step, problem, 0) as { error?: string }).error;
    expect(at({ at: 'password' }, refused(401))).toBe('signInWrong');
    expect(at({ at: 'password' }, refused(429))).toBe('signInTooOften');
    expect(at({ at: 'password' }, refused(503))).toBe('signInNoAnswer');
    expect(at({ at: 'password' }, refused(400))).toBe('signInFailed');
    expect(at({ at: 'new_password' }, refused(401))).toBe('oldWrong');
    expect(at({ at: 'new_password' }, refused(422, 'this is one of the last 5 passwords of the account'))).toBe('passwordUsed');
    expect(at({ at: 'new_password' }, refused(422, 'this password is easily guessed'))).toBe('passwordGuessed');
    expect(at({ at: 'new_password' }, refused(422, 'a password has 10 to 200 signs'))).toBe('passwordWeak');
  });
});

describe('passwordRules', () => {
  const kept = (password: string, name = 'li') => passwordRules(password, name).map((rule) => rule.kept);

  it('asks for ten signs of three kinds', () => {
    expect(kept('')).toEqual([false, false, false]);
    expect(kept('Kahvi-7')).toEqual([false, true, true]);
    expect(kept('kahvikuppi')).toEqual([true, false, true]);
    expect(kept('Kahvikuppi7')).toEqual([true, true, true]);
    expect(kept('kahvi_kuppi7')).toEqual([true, true, true]);
    expect(kept('十个字的一句话不够了吧aA')).toEqual([true, true, true]);
  });

  it('refuses the name of the account and few different signs', () => {
    expect(kept('Wang.Fang-2026', 'wang.fang')[2]).toBe(false);
    expect(kept('Aa1Aa1Aa1Aa1')[2]).toBe(false);
  });
});

describe('secretOf', () => {
  it('reads the secret of an authenticator in groups', () => {
    expect(secretOf('otpauth://totp/GridTwin:li?secret=JBSWY3DPEHPK3PXP&issuer=GridTwin')).toBe('JBSW Y3DP EHPK 3PXP');
    expect(secretOf('otpauth://totp/x')).toBe('');
  });
});
