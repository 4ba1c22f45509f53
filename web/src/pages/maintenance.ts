/** Start the page of maintenance windows. */
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
import Maintenance from './Maintenance.svelte';

applyTheme();
mount(Maintenance, { target: document.getElementById('app')! });
