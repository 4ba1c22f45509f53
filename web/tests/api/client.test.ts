import { afterEach, describe, expect, it, vi } from 'vitest';
import { ApiError, get, getFile, onSignedOut, post } from '../../src/api/client.ts';

const answers = (status: number, body?: unknown) =>
  vi.stubGlobal('fetch', vi.fn(() => Promise.resolve(new Response(body === undefined ? null : JSON.stringify(body), { status, headers: { 'content-type': 'application/problem+json' } }))));

describe('asking the API', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    onSignedOut(() => undefined);
  });

  it('tells the page that nobody is signed in, and fails', async () => {
    const out = vi.fn();
    onSignedOut(out);
    answers(401, { title: 'Unauthorized', detail: 'nobody is signed in', status: 401 });
    await expect(get('/api/scene')).rejects.toMatchObject({ status: 401, detail: 'nobody is signed in' });
    expect(out).toHaveBeenCalledTimes(1);
  });

  it('sends nothing more but what signs in, once nobody is signed in', async () => {
    const out = vi.fn();
    onSignedOut(out);
    answers(401, { title: 'Unauthorized', status: 401 });
    await expect(get('/api/alarms')).rejects.toMatchObject({ status: 401 });
    answers(200, {});
    for (const path of ['/api/alarms', '/api/account/active', '/api/live/ticket', '/api/sessions']) await expect(post(path)).rejects.toMatchObject({ status: 401 });
    expect(fetch).not.toHaveBeenCalled();
    for (const path of ['/api/session', '/api/sign-in', '/api/sign-in/code', '/api/kiosk/enrol', '/api/health']) await post(path);
    expect(fetch).toHaveBeenCalledTimes(5);
    expect(out).toHaveBeenCalledTimes(1);
  });

  it('takes a wrong password for no missing session', async () => {
    const out = vi.fn();
    onSignedOut(out);
    answers(401, { title: 'Unauthorized', detail: 'the password that holds is another one', status: 401 });
    await expect(post('/api/account/password', {})).rejects.toMatchObject({ status: 401, detail: 'the password that holds is another one' });
    expect(out).not.toHaveBeenCalled();
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

  it('takes a file by the name the server gives it, and none that breaks off', async () => {
    const headers = { 'content-disposition': 'attachment; filename="gridtwin-devices-GT-7.csv"' };
    vi.stubGlobal('fetch', vi.fn(() => Promise.resolve(new Response('a,b', { headers }))));
    const file = await getFile('/api/exports/devices.csv?lang=zh', new AbortController().signal);
    expect([file.name, await file.content.text()]).toEqual(['gridtwin-devices-GT-7.csv', 'a,b']);
    const broken = new ReadableStream({ pull: (stream) => stream.error(new TypeError('network error')) });
    vi.stubGlobal('fetch', vi.fn(() => Promise.resolve(new Response(broken, { headers }))));
    await expect(getFile('/x', new AbortController().signal)).rejects.toThrow('network error');
  });
});
