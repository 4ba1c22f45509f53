/** Start the wall. */
import '@fontsource/noto-sans-sc/400.css';
import '@fontsource/noto-sans-sc/700.css';
import '@fontsource/noto-emoji/400.css';
import 'maplibre-gl/dist/maplibre-gl.css';
import '../look/tokens.css';
import '../look/base.css';
import '../look/forms.css';
import '../look/marks.css';
import { mount } from 'svelte';
import Wall from './Wall.svelte';

mount(Wall, { target: document.getElementById('app')! });
