import { afterEach, describe, expect, it, vi } from 'vitest';
import { ApiError, get, onSignedOut, post } from '../../src/api/client.ts';

const answers = (status: number, body?: unknown) =>
  vi.stubGlobal('fetch', vi.fn(() => Promise.resolve(new Response(body === undefined ? null : JSON.stringify(body), { status, headers: { 'content-type': 'application/problem+json' } }))));

describe('asking the API', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    onSignedOut(() => undefined);
  });

  it('tells the page once for each answer that nobody is signed in, and fails', async () => {
    const out = vi.fn();
    onSignedOut(out);
    answers(401, { title: 'Unauthorized', detail: 'nobody is signed in', status: 401 });
    await expect(get('/api/scene')).rejects.toMatchObject({ status: 401, detail: 'nobody is signed in' });
    expect(out).toHaveBeenCalledTimes(1);
  });

  it('does not take a refusal for a missing session', async () => {
    const out = vi.fn();
    onSignedOut(out);
    answers(403, { title: 'Forbidden', status: 403 });
    await expect(get('/api/scene')).rejects.toBeInstanceOf(ApiError);
    expect(out).not.toHaveBeenCalled();
  });

  it('takes an answer without content', async () => {
    answers(204);
    await expect(post('/api/sign-out')).resolves.toBeUndefined();
  });
});
