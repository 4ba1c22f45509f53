/** Build the pages into dist/, hashed files under /assets. */
import { defineConfig } from 'vitest/config';
import { svelte } from '@sveltejs/vite-plugin-svelte';

export default defineConfig({
  plugins: [svelte()],
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 3000,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: { index: 'index.html', wall: 'wall.html' } },
  },
  test: { include: ['tests/**/*.test.ts'], environment: 'node' },
});
