/** Start the page of those who work on cases. */
import '@fontsource/noto-sans-sc/400.css';
import '@fontsource/noto-sans-sc/700.css';
import '@fontsource/noto-emoji/400.css';
import 'maplibre-gl/dist/maplibre-gl.css';
import '../look/tokens.css';
import '../look/base.css';
import '../look/forms.css';
import '../look/marks.css';
import { mount } from 'svelte';
import { applyTheme } from '../look/theme.ts';
import Tasks from './Tasks.svelte';

applyTheme();
mount(Tasks, { target: document.getElementById('app')! });
