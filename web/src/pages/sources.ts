/** Start the page of sources. */
import '@fontsource/noto-sans-sc/400.css';
import '@fontsource/noto-sans-sc/700.css';
import '@fontsource/noto-emoji/400.css';
import '../look/tokens.css';
import '../look/base.css';
import '../look/forms.css';
import { mount } from 'svelte';
import { applyTheme } from '../look/theme.ts';
import Sources from './Sources.svelte';

applyTheme();
mount(Sources, { target: document.getElementById('app')! });
