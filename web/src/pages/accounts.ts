/** Start the page of accounts. */
import '@fontsource/noto-sans-sc/400.css';
import '@fontsource/noto-sans-sc/700.css';
import '@fontsource/noto-emoji/400.css';
import '../look/tokens.css';
import '../look/base.css';
import '../look/forms.css';
import { mount } from 'svelte';
import { applyTheme } from '../look/theme.ts';
import Accounts from './Accounts.svelte';

applyTheme();
mount(Accounts, { target: document.getElementById('app')! });
