import { describe, expect, it } from 'vitest';
import { nextPath, signInPath } from '../../src/api/next_path.ts';

const next = (value: string) => nextPath(`?next=${encodeURIComponent(value)}`);

describe('nextPath', () => {
  it('leads back to a page of ours, with what it was asked', () => {
    expect([next('/wall'), next('/wall?lang=en'), next('/admin/record#top'), nextPath(''), nextPath('?next=')]).toEqual(['/wall', '/wall?lang=en', '/admin/record#top', '/', '/']);
  });

  it.each([
    'https://evil.example/',
    '//evil.example/',
    '/\\evil.example/',
    '\\\\evil.example',
    '/wall\\..\\evil',
    'javascript:alert(1)',
    'data:text/html,x',
    '/\t/evil.example',
    '/\n/evil.example',
    ' /wall',
    'wall',
    '/..//evil.example',
    '/./\u0000/evil.example',
    '@evil.example',
  ])('does not lead to %j', (value) => expect(next(value)).toBe('/'));

  it('does not lead to the door again, nor to an address of the API', () => {
    expect([next('/sign-in'), next('/sign-in?next=/wall'), next('/a/../sign-in'), next('/kiosk'), next('/api/account')]).toEqual(['/', '/', '/', '/', '/']);
  });

  it('takes only the first of several', () => {
    expect(nextPath('?next=/wall&next=//evil.example')).toBe('/wall');
  });
});

describe('signInPath', () => {
  it('remembers the page with what it was asked', () => {
    expect(signInPath({ pathname: '/wall', search: '?lang=en' })).toBe('/sign-in?next=%2Fwall%3Flang%3Den');
    expect(nextPath(new URL(signInPath({ pathname: '/wall', search: '?lang=en' }), 'http://x').search)).toBe('/wall?lang=en');
  });

  it('does not go round in a circle', () => {
    expect([signInPath({ pathname: '/', search: '' }), signInPath({ pathname: '/sign-in', search: '?next=/wall' })]).toEqual(['/sign-in', '/sign-in']);
  });
});
