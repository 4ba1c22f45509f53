/** Ask the HTTP API and turn problems into one error. */
import type { Problem } from './schema.ts';

export class ApiError extends Error {
  readonly status: number;
  readonly detail: string;
  readonly where: string;
  readonly hint: string;
  /** What the server said besides, as it came. */
  readonly problem: Readonly<Record<string, unknown>>;

  constructor(problem: Problem) {
    super([problem.title, problem.detail].filter(Boolean).join(': '));
    this.name = 'ApiError';
    this.status = problem.status;
    this.detail = problem.detail ?? '';
    this.where = problem.where ?? '';
    this.hint = problem.hint ?? '';
    this.problem = { ...problem };
  }
}

const TIMEOUT_MS = 15_000;

/** What may be asked with nobody signed in, and what answers 401 to a wrong password rather than to nobody. */
const DOOR = /^\/api\/(session|sign-in|sign-out|kiosk|health|account\/password)(\/|\?|$)/;

let signedOut: () => void = () => undefined;
/** Nobody is signed in: but for signing in nothing more is sent, until the page is loaded anew. */
let over = false;

/** Say what a page does when the server no longer knows who asks. Each page says it once, before it asks. */
export function onSignedOut(then: () => void): void {
  signedOut = then;
  over = false;
}

/** Nobody is signed in any more: the page is told, and the error for who asked is given back. */
export function nobody(detail = ''): ApiError {
  if (!over) {
    over = true;
    signedOut();
  }
  return new ApiError({ title: 'Unauthorized', detail, status: 401 });
}

/** Ask, and fail with what the server says when it does not answer what was asked. */
async function answer(path: string, init: RequestInit): Promise<Response> {
  if (over && !DOOR.test(path)) throw nobody();
  const response = await fetch(path, { ...init, credentials: 'same-origin' });
  if (response.ok) return response;
  let problem: Partial<Problem> = {};
  try {
    problem = (await response.json()) as Partial<Problem>;
  } catch {
    // not a problem document: the status line has to do
  }
  if (response.status === 401 && !DOOR.test(path)) throw nobody(problem.detail);
  throw new ApiError({ ...problem, title: problem.title ?? response.statusText, status: response.status } as Problem);
}

/** How long to wait for an answer that takes the server long, and what ends the waiting. */
export interface Wait {
  signal?: AbortSignal;
  timeoutMs?: number;
}

async function request<T>(method: string, path: string, body: unknown, { signal, timeoutMs = TIMEOUT_MS }: Wait = {}): Promise<T> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const file = body instanceof Blob;
  const response = await answer(path, {
    method,
    headers: body === undefined ? { accept: 'application/json' } : { accept: 'application/json', 'content-type': file ? body.type : 'application/json' },
    body: body === undefined ? undefined : file ? body : JSON.stringify(body),
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  });
  return response.status === 204 ? (undefined as T) : ((await response.json()) as T);
}

/** Read a whole file with the name the server gives it; fails where it breaks off. */
export async function getFile(path: string, signal: AbortSignal): Promise<{ name: string; content: Blob }> {
  const response = await answer(path, { signal });
  const name = /filename="([^"]+)"/.exec(response.headers.get('content-disposition') ?? '')?.[1];
  return { name: name ?? path.split('/').at(-1)!.split('?')[0], content: await response.blob() };
}

export function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return request<T>('GET', path, undefined, { signal });
}

/** A `Blob` is sent as it is, anything else as JSON. */
export function post<T>(path: string, body?: unknown, wait?: Wait): Promise<T> {
  return request<T>('POST', path, body, wait);
}

export function put<T>(path: string, body: unknown, wait?: Wait): Promise<T> {
  return request<T>('PUT', path, body, wait);
}
