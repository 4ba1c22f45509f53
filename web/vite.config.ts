/** Build the pages into dist/, hashed files under /assets. */
import { defineConfig } from 'vitest/config';
import { svelte } from '@sveltejs/vite-plugin-svelte';

/** Every browser that can show the map reads woff2: leave the woff twins out of the build. */
const woff2Only = {
  name: 'woff2-only',
  enforce: 'pre' as const,
  transform: (code: string, id: string) =>
    id.includes('@fontsource') && id.split('?')[0].endsWith('.css') ? code.replace(/,\s*url\([^)]*\.woff\)\s*format\('woff'\)/g, '') : undefined,
};

export default defineConfig({
  plugins: [woff2Only, svelte()],
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 3000,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: Object.fromEntries(['index', 'wall', 'desk', 'tasks', 'rules', 'maintenance', 'sign_in', 'kiosk', 'accounts', 'record', 'sources'].map((name) => [name, `${name}.html`])) },
  },
  test: { include: ['tests/**/*.test.ts'], environment: 'node' },
});
